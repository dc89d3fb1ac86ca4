"""The models that a caller may ask: what providers list, what they can do and cost, and whether they answer."""
