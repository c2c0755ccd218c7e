import json
import pickle

import pytest
import torch
from rnd1_plugins.models.qwen3 import Qwen3
from torch.distributed.checkpoint.state_dict_saver import save

from rnd1lib import export, load_model
from rnd1lib.errors import CheckpointError
from rnd1lib.kinds import Build
from rnd1lib.models.facts import Facts
from rnd1lib.models.run_folder import RunFolder, is_run_folder

MASK = 4095


def network(seed):
    with torch.device("meta"):
        made = Qwen3().spec(Qwen3.flavors["tiny"], Build(mask_token_id=MASK, seed=seed, sequence_length=32)).model.build()
    made.to_empty(device="cpu")
    made.init_states()
    return made


@pytest.fixture
def run(tmp_path):
    """What training leaves behind: two whole checkpoints, and one that a save was interrupted in."""
    folder = RunFolder(tmp_path / "run")
    folder.model.mkdir(parents=True)
    folder.recipe.write_text("about: a run\n")
    (folder.model / "config.json").write_text(json.dumps(dict(Qwen3.flavors["tiny"])))
    Facts(shift=1, mask_token_id=MASK, attention_mask={"use": "bidirectional"}, noise={"use": "linear"}).write(folder.model)
    for step in (9, 10):
        save(
            {**network(seed=step).state_dict(), "train_state": {"step": step}},
            checkpoint_id=folder.checkpoints / f"step-{step}",
        )
    save(network(seed=11).state_dict(), checkpoint_id=folder.checkpoints / "step-11")
    (folder.checkpoints / "step-11" / ".metadata").unlink()
    (folder.checkpoints / "step-99_hf").mkdir()
    return folder


def test_the_newest_whole_checkpoint_is_loaded_with_the_trained_row_in_the_tied_table(run):
    assert is_run_folder(run.path)
    assert run.newest() == (10, run.checkpoints / "step-10")
    model, trained = load_model(run.path), network(seed=10)
    assert (model.step, model.shift, model.mask_token_id) == (10, 1, MASK)
    assert model.noise is not None
    ours, table = dict(model.network.named_parameters()), trained.tok_embeddings.weight.detach().clone()
    table[MASK] = trained.tok_embeddings.mask_row.detach()
    assert torch.equal(ours["tok_embeddings.weight"], table)
    assert model.network.lm_head.weight is model.network.tok_embeddings.weight
    name = "layers.2.feed_forward.w2.weight"
    assert torch.equal(ours[name], trained.get_parameter(name))


def test_a_run_is_exported_with_its_mask_row(run, tmp_path):
    out = export(run.path, tmp_path / "out", layout="qwen3")
    ids = torch.tensor([[1, MASK, 3, MASK]])
    assert torch.equal(load_model(out).logits(ids), load_model(run.path).logits(ids))


def test_a_run_without_a_whole_checkpoint_says_so(run):
    for step in (9, 10):
        (run.checkpoints / f"step-{step}" / ".metadata").unlink()
    with pytest.raises(CheckpointError, match="no whole checkpoint"):
        load_model(run.path)


def test_a_damaged_checkpoint_is_named(run):
    for file in (run.checkpoints / "step-10").glob("*.distcp"):
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="step-10: this checkpoint cannot be read"):
        load_model(run.path)


class Evil:
    """What a stranger's table of contents could hold."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")


def test_a_table_of_contents_that_runs_code_is_refused(run, tmp_path):
    (run.checkpoints / "step-10" / ".metadata").write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    with pytest.raises(CheckpointError, match=r"io\.open has no place in a checkpoint"):
        load_model(run.path)
    assert not (tmp_path / "ran").exists()
