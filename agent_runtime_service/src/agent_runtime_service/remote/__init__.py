"""Agents that run elsewhere (shell `Remote`), asked in a model's place: by the same door, in the same books."""
