"""Policies: kept with their versions, and told to whoever enforces them."""
