"""People, machines and tokens of Kgents."""
