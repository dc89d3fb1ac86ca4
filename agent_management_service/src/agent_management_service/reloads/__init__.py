"""Reloads: a saved file becomes what runs, in one step, and how the last one went can be asked for."""
