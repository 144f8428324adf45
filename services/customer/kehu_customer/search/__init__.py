"""Finding customers by name, number, phone or document."""
