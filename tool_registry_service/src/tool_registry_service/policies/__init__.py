"""What policies say to a call."""
