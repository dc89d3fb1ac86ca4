"""The agent worker: the agent loop in a sandbox, with one door and no database."""
