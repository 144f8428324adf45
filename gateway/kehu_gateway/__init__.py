"""Kehu's gateway: log-in, tokens, proxy, customer 360, the console's files."""
