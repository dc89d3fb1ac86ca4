"""The one way out: HTTP to addresses that users name, without reaching what they must not (DESIGN §7)."""
