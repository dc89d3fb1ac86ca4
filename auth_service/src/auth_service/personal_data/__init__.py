"""Giving out and erasing everything that the platform keeps of a person."""
