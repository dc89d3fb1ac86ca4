"""Kinds: the parts that agents are made of (Ghost, Model, Shell) and what is made of them (Bot, Team)."""
