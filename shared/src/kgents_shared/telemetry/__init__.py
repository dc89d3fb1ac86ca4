"""Structured logs and the correlation id that ties them together."""
