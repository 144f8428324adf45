"""Kehu's segmentation: features, rules, membership, value tiers."""
