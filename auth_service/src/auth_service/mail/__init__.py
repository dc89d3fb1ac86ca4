"""Mails to people: asked for in a transaction, written and sent beside the requests."""
