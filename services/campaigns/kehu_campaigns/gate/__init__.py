"""The one decision about every contact, with exactly one reason."""
