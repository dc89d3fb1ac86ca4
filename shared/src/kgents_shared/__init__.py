"""What at least two Kgents services use: contracts, auth, db, events, errors, http, telemetry."""
