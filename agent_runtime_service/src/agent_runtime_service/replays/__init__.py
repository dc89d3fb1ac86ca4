"""Repeating a run against another version or model, and comparing what came of both."""
