"""Links that say two customers are one party."""
