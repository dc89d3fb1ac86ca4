"""Scenarios for agents: the worker's own loop against a door in this process, with a model and mocked tools."""
