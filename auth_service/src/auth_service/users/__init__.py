"""People as this platform knows them."""
