"""The worker of agents that are flows: the agent worker's server around lfx, in an environment of its own."""
