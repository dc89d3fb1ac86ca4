"""Logging in through any OpenID Connect issuer that the settings name: code flow with PKCE."""
