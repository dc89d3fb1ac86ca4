"""PostgreSQL and NATS as child processes of the host; the API stands in `postgres.py` and `nats.py`."""
