"""`kgents dev`: files that become what runs whenever they are saved."""
