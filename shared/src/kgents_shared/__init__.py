"""What at least two Kgents services use. Plain it is contracts on pydantic alone; `[service]` brings the rest."""
