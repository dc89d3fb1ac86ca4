"""Cedar policies: what they can speak of, whether a text is one, and what they decide (DESIGN §8).

`documents` and `engine` stand on Cedar and are imported where the first policy is met; nothing else is.
"""
