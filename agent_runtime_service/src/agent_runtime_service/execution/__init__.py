"""Driving a run: under a lease, step by step, to its end (DESIGN §6)."""
