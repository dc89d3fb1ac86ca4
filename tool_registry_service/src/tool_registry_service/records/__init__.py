"""The record of calls: who, for whom, with what, and how it went."""
