"""The one way to a tool: permission, schema, call, size, and a row that says what happened."""
