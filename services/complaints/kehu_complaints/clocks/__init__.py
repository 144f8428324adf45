"""Clocks 时限: regulator packs and calendars as data, and the engine that turns a ledger into due dates."""
