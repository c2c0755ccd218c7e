"""A folder goes into the network a tensor at a time: no second copy of the weights, however they lie in files."""

import json
from pathlib import Path

import pytest
import torch
from processes import Forked
from rnd1_plugins.models.qwen3_moe import Qwen3Moe
from safetensors.torch import save_file

from rnd1lib.kinds import Build

STATUS = Path("/proc/self/status")
SHARDS = 4
MiB = 1 << 20
CONFIG = {
    "model_type": "qwen3_moe",
    "vocab_size": 4096,
    "hidden_size": 512,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "intermediate_size": 512,
    "moe_intermediate_size": 512,
    "num_experts": 64,
    "num_experts_per_tok": 2,
    "norm_topk_prob": True,
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1e4,
    "tie_word_embeddings": False,
}


def write_folder(folder, **changes):
    """Zeros in bfloat16, dealt out to files; returns the bytes of the largest tensor."""
    config = CONFIG | changes
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    with torch.device("meta"):
        network = Qwen3Moe().spec(config, Build()).model.build()
    shapes = dict(network.named_parameters())
    tensors = {
        name: torch.zeros(shapes[source.parameter].shape[source.stacked :], dtype=torch.bfloat16)
        for source in Qwen3Moe().tensors(config)
        for name in source.tensors
    }
    names = list(tensors)
    files = {name: f"model-{number * SHARDS // len(names)}.safetensors" for number, name in enumerate(names)}
    for file in set(files.values()):
        save_file({name: tensors[name] for name in names if files[name] == file}, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": files}))
    return max(tensor.nbytes for tensor in tensors.values())


@pytest.mark.skipif("RssAnon" not in (STATUS.read_text() if STATUS.exists() else ""), reason="/proc tells no RssAnon here")
def test_the_peak_is_the_network_and_about_its_largest_tensor(tmp_path):
    write_folder(tmp_path / "small", hidden_size=64, num_experts=2)
    largest = write_folder(tmp_path / "large")
    child = Forked(tmp_path / "small", tmp_path / "large", script=Path(__file__).with_name("loading_memory.py"))
    assert child.wait() == 0, child.text
    found = [tuple(map(int, line.split())) for line in child.lines]
    for (peak, network), bytes_an_element in zip(found, (2, 4), strict=True):
        assert network > 100 * MiB * bytes_an_element
        assert network * 0.9 < peak < network + largest * bytes_an_element + 8 * MiB, (peak, network, largest)
