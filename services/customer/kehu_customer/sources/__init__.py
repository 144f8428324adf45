"""Source systems: whose key means which customer or account, and what each source last said of a party."""
