"""What happened in a run, step by step, as its owner reads it."""
