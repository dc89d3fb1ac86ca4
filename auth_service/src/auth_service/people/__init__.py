"""Registering and logging in: an identity provider and the rules around it."""
