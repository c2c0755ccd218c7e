"""The mathematics: counter-based randomness, corruption, the shift, targets, the loss, likelihood.

draws         counter-based randomness: every number is a hash of what it is for
times         the noise levels of a step
corruption    at time t every maskable token is masked with probability 1 - alpha(t)
closing_run   the end-of-text tokens that close a document, masked as one
length        rows cut short, so that the model meets texts of every length
shift         which logit row predicts which token
targets       the masked tokens, each at its row, with its weight
loss          a weighted sum of cross entropies over a global count

prediction    a denoiser asked about positions: shift, padding and guidance in one place
ranking       the positions of each sequence ranked among themselves
likelihood    how likely a model finds an answer
"""

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
