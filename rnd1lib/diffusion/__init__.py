"""The mathematics: counter-based randomness, corruption, the shift, targets, the loss, likelihood."""

from rnd1lib.diffusion.corruption import corrupt, elbo_weight, mask_probability, uncorrupted
from rnd1lib.diffusion.draws import Draws, hash_uniform
from rnd1lib.diffusion.length import VariableLength, cut
from rnd1lib.diffusion.loss import cross_entropy, denominator
from rnd1lib.diffusion.shift import IGNORE, document_starts, rows_that_predict, to_rows
from rnd1lib.diffusion.targets import masked_targets
from rnd1lib.diffusion.times import Times

__all__ = [
    "IGNORE",
    "Draws",
    "Times",
    "VariableLength",
    "corrupt",
    "cross_entropy",
    "cut",
    "denominator",
    "document_starts",
    "elbo_weight",
    "hash_uniform",
    "mask_probability",
    "masked_targets",
    "rows_that_predict",
    "to_rows",
    "uncorrupted",
]
