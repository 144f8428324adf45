"""What a campaign is meant to do, and the states that it goes through."""
