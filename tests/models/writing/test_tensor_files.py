"""Safetensors files as others read them: sizes, names, and what lies where."""

import json
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file

from rnd1lib.errors import ModelError
from rnd1lib.models.writing.tensor_files import shard_bytes, shards, write_tensors


@pytest.mark.parametrize(
    ("said", "expected"),
    [("5GB", 5 * 10**9), ("2GiB", 2 << 30), ("500 MB", 5 * 10**8), ("1mib", 1 << 20), ("60KB", 60_000), (1234, 1234)],
)
def test_a_size_is_read_as_transformers_reads_it(said, expected):
    assert shard_bytes(said) == expected


@pytest.mark.parametrize("said", ["5", "GB", "0GB", "-1GB", "5TB", "1.5GB", 0, -3, ""])
def test_what_is_no_size_is_a_sentence(said):
    with pytest.raises(ValueError, match=r"is no size of a file\. Write it as 5GB, 500MB or 2GiB"):
        shard_bytes(said)


@given(st.lists(st.integers(1, 50), min_size=1, max_size=30), st.integers(1, 400))
def test_files_hold_all_tensors_in_order_and_no_more_bytes_than_asked_unless_it_is_a_single_one(sizes, most):
    shapes = {f"t{number}": (size,) for number, size in enumerate(sizes)}
    files = shards(shapes, torch.float32, most)
    assert [name for names in files.values() for name in names] == list(shapes)
    assert list(files) == sorted(files)
    held = [[4 * shapes[name][0] for name in names] for names in files.values()]
    assert all(len(sizes) == 1 or sum(sizes) <= most for sizes in held)
    assert all(sum(one) + other[0] > most for one, other in pairwise(held)), "none is smaller than it must be"


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_safetensors_reads_what_was_written(dtype, tmp_path):
    tensors = {
        "a.weight": torch.randn(3, 5, generator=torch.Generator().manual_seed(0)),
        "a.ünï": torch.tensor([-0.0, 1e-40, 3e38]),
        "b": torch.randn(4, 6).t(),
        "scalar": torch.tensor(2.0),
    }
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    write_tensors(tmp_path, shapes, tensors.items(), dtype=dtype, most=1 << 20)
    back = load_file(tmp_path / "model.safetensors")
    assert list(tmp_path.iterdir()) == [tmp_path / "model.safetensors"]
    assert back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert back[name].dtype == dtype
        torch.testing.assert_close(back[name], tensor.to(dtype), rtol=0, atol=0)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert file.metadata() == {"format": "pt"}


@pytest.mark.parametrize("length", range(1, 9))
def test_numbers_begin_at_a_multiple_of_eight_bytes_as_the_format_asks(length, tmp_path):
    """Whoever maps such a file into memory reads them where they lie."""
    write_tensors(tmp_path, {"w" * length: (1,)}, [("w" * length, torch.ones(1))], dtype=torch.float32, most=9)
    written = (tmp_path / "model.safetensors").read_bytes()
    assert int.from_bytes(written[:8], "little") % 8 == 0
    assert len(written) % 8 == 4


def test_shards_have_the_hubs_names_and_an_index_that_counts_bytes(tmp_path):
    tensors = {f"t{number}": torch.full((4,), float(number)) for number in range(5)}
    write_tensors(tmp_path, dict.fromkeys(tensors, (4,)), tensors.items(), dtype=torch.bfloat16, most=16)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"] == {"total_size": 5 * 4 * 2}
    assert index["weight_map"] == {
        **dict.fromkeys(["t0", "t1"], "model-00001-of-00003.safetensors"),
        **dict.fromkeys(["t2", "t3"], "model-00002-of-00003.safetensors"),
        "t4": "model-00003-of-00003.safetensors",
    }
    assert load_file(tmp_path / "model-00002-of-00003.safetensors")["t3"].tolist() == [3, 3, 3, 3]


def test_a_tensor_is_asked_for_only_when_the_one_before_it_was_written(tmp_path):
    path = tmp_path / "model.safetensors"
    sizes = []

    def coming():
        for number in range(3):
            sizes.append(path.stat().st_size)
            yield f"t{number}", torch.zeros(100_000)

    write_tensors(tmp_path, {f"t{number}": (100_000,) for number in range(3)}, coming(), dtype=torch.float32, most=1 << 30)
    assert sizes[2] - sizes[1] == 400_000


@pytest.mark.parametrize(
    ("number", "dtype"),
    [*((number, torch.float32) for number in (torch.nan, torch.inf, -torch.inf)), (3.4e38, torch.bfloat16)],
)
def test_numbers_that_are_not_finite_as_they_are_written_are_named(number, dtype, tmp_path):
    """The last is finite, and no bfloat16 is as large."""
    with pytest.raises(ModelError, match=r"^w: holds numbers that are not finite"):
        write_tensors(tmp_path, {"w": (2,)}, [("w", torch.tensor([0, number]))], dtype=dtype, most=9)
