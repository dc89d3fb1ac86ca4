"""Bounds of money and tokens, set aside before a model is asked and settled after it; and of messages in a minute."""
