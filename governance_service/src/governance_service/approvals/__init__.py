"""Approvals: one exact payload, carried out once, because a person said so."""
