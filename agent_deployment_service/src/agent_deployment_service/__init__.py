"""Desired agents turned into running sandboxes."""
