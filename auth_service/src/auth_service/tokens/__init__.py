"""Access tokens, refresh tokens, and the token endpoint of RFC 6749."""
