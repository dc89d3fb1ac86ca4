"""What must be in the database before anybody can come in."""
