"""Parties 当事人: who the bank knows, by which names, and how they are reached."""
