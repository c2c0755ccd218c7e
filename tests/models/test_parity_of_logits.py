"""Every architecture gives transformers' logits under every mask, from a folder of either dtype in either dtype."""

import pytest
import torch
from architectures import ARCHITECTURES
from parity_of_logits import BLOCKS, BOTH_WAYS, HALF, MASKS, PACKED, ROUNDING, TOLERANCE, difference, pair


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_in_float32_every_mask_gives_transformers_logits(name, tmp_path):
    models = pair(name, torch.float32, torch.float32, tmp_path)
    found = {mask: difference(models, asked).largest for mask, asked in MASKS.items()}
    assert max(found.values()) <= TOLERANCE, found
    assert models.exact(torch.zeros(1, 1, dtype=torch.long)).logits.abs().max() > 1, "logits that are all near 0 say nothing"


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_bfloat16_folder_gives_them_too_and_is_rounded_no_more_than_by_transformers(name, tmp_path):
    packed = BLOCKS._replace(documents_BL=PACKED)
    models = pair(name, HALF, torch.float32, tmp_path / "full")
    assert difference(models, packed).largest <= TOLERANCE
    models = pair(name, HALF, HALF, tmp_path / "half")
    for mask in (BOTH_WAYS, packed):
        found = difference(models, mask)
        assert 0 < found.ours <= ROUNDING * found.theirs
