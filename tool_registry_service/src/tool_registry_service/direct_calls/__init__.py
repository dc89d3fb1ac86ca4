"""Calls of tools that a person or a machine makes without an agent."""
