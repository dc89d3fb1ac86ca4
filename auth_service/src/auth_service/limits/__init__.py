"""How often something may be tried, counted for all replicas together."""
