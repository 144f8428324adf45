"""What is known of a customer: facts from events, and the features computed from them."""
