"""The master key in force, and the change to a new one while everything goes on."""
