"""A folder of each architecture is read and written again in each layout, through transformers too: every bit comes back."""

import pytest
from architectures import ARCHITECTURES
from there_and_back import there_and_back

KINDS = [("float32", "one file"), ("bfloat16", "shards"), ("float32", "shards"), ("bfloat16", "one file")]
EVERY = [(name, *KINDS[number % 2]) for number, name in enumerate(ARCHITECTURES)]
WHOLE = [(name, *kind) for name in ("qwen3_moe, every second, tied", "rnd1") for kind in KINDS]
MATRIX = dict.fromkeys(EVERY + WHOLE)  # `python tests/models/there_and_back.py` goes through all


@pytest.mark.parametrize(("name", "dtype", "files"), MATRIX)
def test_every_bit_comes_back_from_each_layout(name, dtype, files, tmp_path):
    found = there_and_back(name, dtype, files, tmp_path)
    assert all(found.values()), found
