"""Profiles: what is said of an agent, and who vouches for it."""
