"""Platform credentials and the exchange setup, as document 004 names them."""
