"""Agents: their drafts, and who they belong to."""
