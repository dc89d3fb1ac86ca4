"""Organisations: teams whose members share what belongs to them."""
