"""Membership 归属: who belongs to which segment, since when and why."""
