"""Directory: what this service knows of units, staff and customers, projected from their events."""
