"""LangChain's own chat models, for the providers whose wire isn't OpenAI's. Each is imported by who needs it."""
