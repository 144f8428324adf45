"""Ownership 归属: the one owning unit of a customer and at most one primary relationship manager, with history."""
