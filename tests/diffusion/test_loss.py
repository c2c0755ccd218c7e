"""The denominator counts what the objective names; the mask token is no word."""

import pytest
import torch
from rnd1_plugins.objectives.mdlm import Mdlm

from rnd1lib.diffusion import cross_entropy, denominator
from rnd1lib.kinds import Batch, Noised

MASKABLE = torch.tensor([[1, 1, 1, 0], [1, 1, 0, 0]], dtype=torch.bool)
MASKED = torch.tensor([[1, 0, 0, 0], [1, 1, 0, 0]], dtype=torch.bool)
IDS = torch.arange(8).view(2, 4)
BATCH = Batch(IDS, MASKABLE, torch.zeros_like(IDS), torch.arange(4).expand(2, 4))
NOISED = Noised(IDS.masked_fill(MASKED, 9), MASKED, torch.ones(2), torch.ones(2))


@pytest.mark.parametrize(
    ("options", "count"),
    [({}, 5), ({"normalise": "masked"}, 3), ({"normalise": "answer"}, 2), ({"weight": "mean"}, 2)],
)
def test_the_denominator_is_what_the_objective_counts(options, count):
    assert denominator(Mdlm(**options), BATCH, NOISED) == count


def test_the_mask_token_has_no_share_of_the_probability():
    logits = torch.zeros(3, 5)
    labels = torch.tensor([0, 1, 2])
    assert torch.allclose(cross_entropy(logits, labels, 4), torch.tensor(4.0).log().expand(3))
    assert torch.allclose(cross_entropy(logits, labels, None), torch.tensor(5.0).log().expand(3))
    assert (logits == 0).all()


def test_half_precision_logits_are_scored_in_full_precision():
    logits = torch.randn(2, 7, generator=torch.Generator().manual_seed(0))
    ours = cross_entropy(logits.bfloat16(), torch.tensor([1, 2]), None)
    assert ours.dtype == torch.float32 and torch.allclose(ours, cross_entropy(logits, torch.tensor([1, 2]), None), atol=0.05)
