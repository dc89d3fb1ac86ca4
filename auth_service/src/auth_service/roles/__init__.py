"""Roles and the scopes that they bring."""
