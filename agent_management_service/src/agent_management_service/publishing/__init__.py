"""Publishing: what the owner wants to run, told to the other services in the same transaction."""
