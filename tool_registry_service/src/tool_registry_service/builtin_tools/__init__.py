"""Tools that every agent may be allowed without registering anything. They pass the same gates as all others."""
