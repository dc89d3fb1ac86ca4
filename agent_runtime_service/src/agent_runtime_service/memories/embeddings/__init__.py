"""From texts to vectors that are near where the texts mean alike."""
