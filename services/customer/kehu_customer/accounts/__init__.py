"""Holdings 持有产品: accounts, balances and transactions as the core banking system states them; never edited here."""
