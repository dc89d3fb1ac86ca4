"""Flows as Langflow exports them: read, checked against the pinned version's components, and told as a spec."""
