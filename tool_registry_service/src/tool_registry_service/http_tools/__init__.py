"""Tools that are HTTP requests: single ones, and those of APIs that an OpenAPI document describes."""
