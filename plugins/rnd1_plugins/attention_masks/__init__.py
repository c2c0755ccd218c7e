"""Attention masks: who sees whom at a step.

bidirectional     the whole document from step 0: simple continual pretraining
causal            autoregressive
annealing         from causal to bidirectional, a random entry at a time
band_annealing    the same by a band that widens
opening           what these two have in common
grafting          causal diffusion first, then bidirectional attention fitted to it
block_causal      bidirectional inside a block, causal between blocks
block_diffusion   noisy blocks, each behind a clean past
"""
