"""Complaints 投诉: intake, states, statutory clocks."""
