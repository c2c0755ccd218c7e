"""The pattern and the mask_mod of a mask say the same."""

import pytest
import torch
from rnd1_plugins.attention_masks.bidirectional import Bidirectional
from rnd1_plugins.attention_masks.causal import Causal

Q, KV = torch.meshgrid(torch.arange(9), torch.arange(9), indexing="ij")


@pytest.mark.parametrize(("mask", "pattern", "seen"), [(Bidirectional(), "full", KV >= 0), (Causal(), "causal", KV <= Q)])
@pytest.mark.parametrize("step", [0, 1000])
def test_pattern_and_mask_mod_agree(mask, pattern, seen, step):
    zero = torch.tensor(0)
    assert mask.pattern(step) == pattern
    assert torch.equal(mask.mask_mod(torch.tensor(step))(zero, zero, Q, KV), seen)
