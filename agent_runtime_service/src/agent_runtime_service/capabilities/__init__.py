"""Agents by what they can do: which there are, which of them is asked, and what became of it."""
