"""Attestations: what somebody says of an agent, signed so that anybody can check who said it."""
