"""Ending runs before their time, whoever drives them."""
