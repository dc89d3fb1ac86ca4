"""Agents behind OpenAI's API (`/v1`): any client of it talks to an agent as to a model."""
