"""Conversations that are deleted once they are answered: responses with `store: false`."""
