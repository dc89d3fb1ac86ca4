"""Definitions: from TOML and JSON to an `AgentSpec`, with every fault at once."""
