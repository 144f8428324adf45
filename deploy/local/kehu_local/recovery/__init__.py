"""Backups: made under load, restored into an empty suite, checked against their sources."""
