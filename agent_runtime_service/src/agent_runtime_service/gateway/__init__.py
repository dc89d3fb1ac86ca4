"""The model gateway: the only place where a provider's key is, and where a model's use is counted."""
