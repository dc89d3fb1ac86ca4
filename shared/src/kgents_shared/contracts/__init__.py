"""What crosses a wire between two parts of Kgents, as pydantic models and data; no other dependency."""
