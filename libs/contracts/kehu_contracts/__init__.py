"""Kehu's event contracts. Importing the package fills `base.CONTRACTS` with every contract there is."""

from kehu_contracts import bank, campaign, complaint, customer, holding, operations, organization, segment

__all__ = ["bank", "campaign", "complaint", "customer", "holding", "operations", "organization", "segment"]
