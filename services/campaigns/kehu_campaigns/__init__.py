"""Campaigns of the bank: plan, audience, decision gate, delivery, response."""
