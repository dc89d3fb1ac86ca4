"""Runs: one message and all that answering it took."""
