"""What is no longer accepted before its time, and the feed that tells every service."""
