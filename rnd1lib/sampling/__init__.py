"""Sampling: one loop that owns canvas, blocks, guidance and stopping; a sampler decides what each step commits."""
