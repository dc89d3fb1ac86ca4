"""Scenarios of agents: what a file of them says, and whether what an agent did is what it expects."""
