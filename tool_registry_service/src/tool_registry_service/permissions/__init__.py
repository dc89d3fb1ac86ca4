"""Who may call which tool: rules of the platform, of owners and for single agents, and names for groups of tools."""
