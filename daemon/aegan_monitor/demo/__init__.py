"""The demonstration: a synthesised pump, a broker and a subscriber around the built-in bundle."""
