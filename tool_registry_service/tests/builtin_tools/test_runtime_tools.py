"""What memory and ask_agent ask of the runtime, and what they make of its answers."""
