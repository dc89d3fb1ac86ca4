"""Clients that are no people: services of this platform, and applications."""
