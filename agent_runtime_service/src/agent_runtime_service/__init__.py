"""Runs, conversations and the agents' only door."""
