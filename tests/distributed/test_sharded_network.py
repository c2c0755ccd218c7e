from pathlib import Path

import pytest
import torch
from processes import run_two_ranks
from rnd1_plugins.models.llada import Llada
from rnd1_plugins.models.llada_moe import LladaMoe
from rnd1_plugins.models.llama import Llama
from rnd1_plugins.models.qwen2 import Qwen2
from rnd1_plugins.models.qwen3 import Qwen3
from rnd1_plugins.models.qwen3_moe import Qwen3Moe

from rnd1lib import export
from rnd1lib.kinds import Build
from rnd1lib.models.loading import denoiser
from rnd1lib.models.origins.facts import Facts

SCRIPT = Path(__file__).parent / "sharded_network.py"
COMPONENTS = {
    "moe": Qwen3Moe(),
    "dense": Qwen3(),
    "biased": Qwen2(),
    "unscaled": LladaMoe(),
    "plain": Llama(),
    "renamed": Llada(),
}


@pytest.mark.distributed
def test_two_ranks_hold_score_and_give_back_what_one_does(tmp_path):
    """FSDP2 with expert parallel 2, FSDP2 alone, a tied head, biases; unequal rows, none on a rank; a frozen table."""
    facts = Facts(shift=1, mask_token_id=4000, attention_mask={"use": "bidirectional"})
    for name, component in COMPONENTS.items():
        config = component.flavors["tiny"]
        with torch.device("meta"):
            network = component.spec(config, Build(mask_token_id=4000, seed=1, sequence_length=64)).model.build()
        network.to_empty(device="cpu")
        network.init_states()
        network.tok_embeddings.weight.data[4000] = network.tok_embeddings.mask_row.data
        export(denoiser(network, config, facts, None), tmp_path / name, layout=component.layouts[0])
    assert "sharded and whole agree" in run_two_ranks(SCRIPT, tmp_path)
