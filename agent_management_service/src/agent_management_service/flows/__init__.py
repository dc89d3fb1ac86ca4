"""Flows of Langflow: kept whole beside the agents that they are."""
