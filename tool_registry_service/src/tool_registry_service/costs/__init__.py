"""What a call of a tool costs, by the word of whom the tool belongs to."""
