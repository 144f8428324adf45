"""Identity documents: their numbers, validity and verification."""
