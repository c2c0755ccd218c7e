import json

import pytest
import torch
import typer
from rnd1_plugins.models.qwen3 import Qwen3
from typer.testing import CliRunner

from rnd1lib.cli.app import main
from rnd1lib.cli.export import export
from rnd1lib.kinds import Build
from rnd1lib.models.export import export as write
from rnd1lib.models.loading import denoiser
from rnd1lib.models.origins.facts import Facts


@pytest.fixture
def model_folder(tmp_path):
    with torch.device("meta"):
        network = Qwen3().spec(Qwen3.flavors["tiny"], Build(mask_token_id=4095, sequence_length=64)).model.build()
    network.to_empty(device="cpu")
    network.init_states()
    facts = Facts(shift=1, mask_token_id=4095, attention_mask={"use": "bidirectional"})
    return write(denoiser(network, Qwen3.flavors["tiny"], facts, None), tmp_path / "model", layout="qwen3")


def test_export_says_what_it_compared_and_how_far_apart_it_is(model_folder, tmp_path):
    app = typer.Typer()
    app.command()(export)
    done = CliRunner().invoke(app, [str(model_folder), str(tmp_path / "out"), "--layout", "qwen3"])
    assert done.exit_code == 0
    assert done.stderr == "model: shift 1, mask token 4095, bidirectional (rnd1_config.json)\n"
    assert "every tensor is the same to the bit; of 262144 logits the furthest is 0.0e+00 off" in done.output
    assert json.loads((tmp_path / "out" / "config.json").read_text())["is_causal"] is False


def test_an_unknown_layout_is_the_users_mistake_and_creates_nothing(model_folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.argv", ["rnd1", "export", str(model_folder), str(tmp_path / "out"), "--layout", "qwen9"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "'qwen9' is unknown. Did you mean 'qwen3'? Layouts: llada, llada_moe, llama, qwen2, qwen3" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
