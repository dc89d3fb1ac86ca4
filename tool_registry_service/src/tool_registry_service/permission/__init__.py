"""Which tools an agent may call."""
