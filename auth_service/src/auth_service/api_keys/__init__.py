"""API keys: a person's bearer that lasts, with the scopes that they gave it."""
