"""Wrappers: an agent of the platform under another name, with settings and providers of its own."""
