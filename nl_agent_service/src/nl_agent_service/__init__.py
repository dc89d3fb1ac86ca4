"""Agents out of plain language."""
