"""What agents keep from one conversation to the next."""
