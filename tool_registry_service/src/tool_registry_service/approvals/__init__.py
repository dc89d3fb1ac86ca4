"""What calls with an effect on the world need: a person's word on exactly that call (DESIGN §8)."""
