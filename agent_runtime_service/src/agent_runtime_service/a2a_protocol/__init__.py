"""Agents behind the Agent2Agent protocol (`/a2a`): cards, messages, streams and tasks."""
