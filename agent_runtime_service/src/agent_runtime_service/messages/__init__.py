"""Messages to agents: the platform's main call."""
