"""How much one caller, and one address, may ask of all gateway processes together."""
