"""A network that holds a layer at a time gives the logits of one that holds all, and an export of a run holds no more."""

import pytest
import torch
from architectures import ARCHITECTURES, MASK, write

from rnd1lib.models.loading import component_for, facts_of, load_model
from rnd1lib.models.opening import open_model
from rnd1lib.models.weights import parameters
from rnd1lib.models.writing.streaming import NetworkWeights, Rounded, stream_model

IDS = torch.randint(0, 300, (2, 9), generator=torch.Generator().manual_seed(1))
IDS[:, ::4] = MASK


def held(model):
    return sum(parameter.untyped_storage().nbytes() for parameter in model.network.parameters())


def streamed(origin, dtype="float32"):
    return stream_model(origin, facts_of(origin, None).altered(mask_token_id=MASK), dtype=dtype)


@pytest.mark.parametrize("name", [*ARCHITECTURES][::3])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_logits_are_those_of_the_whole_network(name, dtype, tmp_path):
    folder = write(name, tmp_path / "in", getattr(torch, dtype))
    whole, lazy = load_model(folder, dtype=dtype, mask_token_id=MASK), streamed(open_model(folder), dtype)
    for _ in range(2):
        assert torch.equal(lazy.logits(IDS), whole.logits(IDS))
        assert held(lazy) == 0


@pytest.mark.parametrize("name", ["qwen3_moe, every second, tied", "llama, untied"])
def test_no_more_than_a_layer_or_a_table_is_held_at_any_time(name, tmp_path):
    model = streamed(open_model(write(name, tmp_path / "in")))
    parts = ["tok_embeddings", "norm", "lm_head", *(f"layers.{layer}" for layer in range(3))]
    largest = max(sum(each.nbytes for each in model.network.get_submodule(part).parameters()) for part in parts)
    seen = []
    for part in parts:
        model.network.get_submodule(part).register_forward_hook(lambda *_: seen.append(held(model)), prepend=True)
    model.logits(IDS)
    assert len(seen) == len(parts)
    assert max(seen) == largest < sum(each.nbytes for each in model.network.parameters()) / 2


@pytest.mark.parametrize("name", ["qwen3_moe", "qwen3, tied"])
def test_a_part_of_a_parameter_is_that_of_the_folder_and_of_a_network_in_memory_and_rounded_as_a_narrower_file(name, tmp_path):
    model = load_model(write(name, tmp_path / "in"), mask_token_id=MASK)
    origin = NetworkWeights(tmp_path / "in", model.config, model.network)
    assert origin.dtype == torch.float32
    folder = open_model(tmp_path / "in")
    for source in component_for(model.config).tensors(model.config):
        whole = parameters(model.network)[source.parameter]
        part = (slice(1, 3), *(slice(2, size - 3) for size in whole.shape[1:]))
        found, stored, rounded = (torch.empty_like(whole[part]) for _ in range(3))
        origin.fill(found, source, part)
        folder.fill(stored, source, part)
        Rounded(origin.path, origin.config, origin, torch.bfloat16).fill(rounded, source, part)
        assert torch.equal(found, whole[part]) and torch.equal(stored, whole[part]), source.parameter
        assert torch.equal(rounded, whole[part].bfloat16().float())
