"""Draftings: what was asked for, what the model made of it, what became of that."""
