"""Versions: numbered, content-hashed, never changed."""
