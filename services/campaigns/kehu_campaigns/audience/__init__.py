"""Whom a campaign is for: segments as they stand, frozen at approval."""
