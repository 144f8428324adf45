"""What came of it: conversions, credit, the funnel."""
