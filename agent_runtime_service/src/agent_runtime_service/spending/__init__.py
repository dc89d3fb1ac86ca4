"""What was spent: sums over the ledger."""
