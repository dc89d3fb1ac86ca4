"""Applications as their owners and administrators keep them: names, scopes, secrets, public keys."""
