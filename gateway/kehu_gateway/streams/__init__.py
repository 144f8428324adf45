"""The live stream: events of the suite as they happen, each caller's own."""
