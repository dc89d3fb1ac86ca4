"""Validation: what is wrong with a definition on this platform, without keeping anything of it."""
