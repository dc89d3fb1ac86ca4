"""Credentials: kept, listed, rotated, deleted, resolved."""
