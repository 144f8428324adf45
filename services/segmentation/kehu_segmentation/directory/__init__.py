"""The organisation and the reach of customers, projected from events."""
