"""Contexts of several agents (document 003): who takes part, what is said to whom, and what it took."""
