"""The kgents command."""
