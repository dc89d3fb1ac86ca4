"""Desired state for the services that make it true."""
