"""From an OpenAPI document to definitions of tools. Pure: nothing here is sent, and nothing else is read."""
