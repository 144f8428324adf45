"""The Berka bank (PKDD'99): clients, accounts, cards, loans, standing orders and transactions of a Czech bank."""
