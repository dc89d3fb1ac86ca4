"""Runs told to OpenTelemetry, Langfuse, LangSmith: spans by the conventions for generative AI, sent over OTLP."""
