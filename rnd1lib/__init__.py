"""rnd1lib."""
