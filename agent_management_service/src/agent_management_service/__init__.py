"""Agents, their versions and their publishing."""
