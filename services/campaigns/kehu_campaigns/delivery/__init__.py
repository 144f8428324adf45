"""Messages on their way: resolution, channels, delivery states."""
