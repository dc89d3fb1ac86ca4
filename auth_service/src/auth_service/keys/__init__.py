"""The signing keys, and what the world may know of them."""
