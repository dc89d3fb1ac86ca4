"""Agents that ask agents."""
