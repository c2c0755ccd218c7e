"""Learning-rate groups."""
