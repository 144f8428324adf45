"""Consent 授权同意: the ledger and what stands."""
