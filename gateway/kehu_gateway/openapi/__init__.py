"""One API document for the whole suite."""
