"""What of a conversation its model is shown, and what its user decides about that."""
