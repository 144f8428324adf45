"""Kehu's customer master."""
