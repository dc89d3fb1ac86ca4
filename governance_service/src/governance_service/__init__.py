"""What agents may do, and who says so."""
