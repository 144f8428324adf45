"""Importers: public data sets played through the inbound contracts, as the bank's own systems would state them."""
