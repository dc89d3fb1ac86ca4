"""Definitions of other systems as ours: read, recognised, converted, checked. Pure: nothing here asks a server."""
