"""Conversations and what was said in them, as their owner reads it."""
