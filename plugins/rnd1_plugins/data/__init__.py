"""Data components: where documents come from."""
