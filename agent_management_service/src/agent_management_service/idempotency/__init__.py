"""One effect per Idempotency-Key."""
