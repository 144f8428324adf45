"""All services at a glance, for whoever operates them."""
