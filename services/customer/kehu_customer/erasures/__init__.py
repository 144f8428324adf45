"""Erasure: a person's data go for good when no law keeps them."""
