"""The tools of registered servers, their definitions pinned."""
