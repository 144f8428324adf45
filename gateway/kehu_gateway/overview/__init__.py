"""The customer 360: one call, concurrently answered by four services."""
