"""Templates: agents to start from, built in and from a directory of the operator's."""
