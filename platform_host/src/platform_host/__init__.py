"""The embedded default: every service, PostgreSQL, NATS and the workers behind one address."""
