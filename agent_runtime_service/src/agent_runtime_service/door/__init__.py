"""The agents' only door: the model gateway, steps and tools, as a worker reaches them."""
