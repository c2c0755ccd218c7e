import json
import pickle

import pytest
import torch
from rnd1_plugins.models.qwen3 import Qwen3
from torch.distributed.checkpoint import metadata
from torch.distributed.checkpoint.state_dict_saver import save

from rnd1lib import export, load_model
from rnd1lib.errors import CheckpointError
from rnd1lib.kinds import Build, TensorSource
from rnd1lib.models.origins.facts import Facts
from rnd1lib.models.runs.checkpoint_reader import WeightsReader
from rnd1lib.models.runs.folder import RunFolder, is_run_folder
from rnd1lib.models.runs.manifest import MANIFEST, Manifest, facts_of
from rnd1lib.models.runs.weights import open_run
from rnd1lib.titan.checkpoint.commit import CommittingWriter, Save

MASK = 4095


def write(folder, step, states):
    """A checkpoint as training writes it."""
    save(states, storage_writer=CommittingWriter(Save(folder=folder, step=step, id="0", world_size=1, recipe="")), no_dist=True)


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
        write(folder.checkpoints, step, {**network(seed=step).state_dict(), "train_state": {"step": step}})
    (folder.checkpoints / "step-11.tmp-0").mkdir()
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


def test_a_run_is_exported_with_its_mask_row_and_what_it_did_until_the_step_that_is_written(run, tmp_path):
    lines = [{"step": step, "loss": 2.0, "tokens": 100} for step in range(1, 13)]
    lines += [{"step": step, "evaluator": "nll", "nll": step / 4} for step in (0, 10, 12)]
    (run.path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    out = export(run.path, tmp_path / "out", layout="qwen3")
    ids = torch.tensor([[1, MASK, 3, MASK]])
    assert torch.equal(load_model(out).logits(ids), load_model(run.path).logits(ids))
    card = (out / "README.md").read_text()
    told = ("| steps | 10 |", "| tokens | 1,000 that could be masked |", "| nll, after 10 steps | nll 2.5 |")
    assert all(line in card for line in told) and "after 12 steps" not in card


@pytest.mark.parametrize("rows", [(0, 4096), (0, MASK), (MASK, 4096), (4000, 4096), (1, 7)])
def test_a_part_of_the_table_has_the_mask_row_in_its_place_or_not_at_all(rows, run):
    trained, box = network(seed=10), (slice(*rows), slice(5, 90))
    table = trained.tok_embeddings.weight.detach().clone()
    table[MASK] = trained.tok_embeddings.mask_row.detach()
    out = torch.full(table[box].shape, torch.nan)
    open_run(run.path).fill(out, TensorSource("tok_embeddings.weight", ["model.embed_tokens.weight"]), box)
    assert torch.equal(out, table[box])


def test_a_folder_without_a_manifest_is_no_checkpoint_and_is_named(run, capsys):
    (run.checkpoints / "step-10" / MANIFEST).unlink()
    assert run.newest() == (9, run.checkpoints / "step-9")
    assert "step-10: has no manifest.json, so it is no checkpoint; passed over." in capsys.readouterr().err
    (run.checkpoints / "step-9" / MANIFEST).unlink()
    with pytest.raises(CheckpointError, match="no whole checkpoint"):
        load_model(run.path)


def test_the_newest_is_the_one_that_was_saved_last(run):
    write(run.checkpoints, 4, network(seed=4).state_dict())
    assert run.newest()[0] == 4 and load_model(run.path).step == 4


def test_a_damaged_checkpoint_is_named_with_what_there_is_instead(run):
    (shard,) = (run.checkpoints / "step-10").glob("*.distcp")
    whole = shard.read_bytes()
    shard.write_bytes(whole[:100])
    with pytest.raises(CheckpointError, match=rf"{shard.name}: has 100 bytes, .* Move the folder step-10 away to use step 9\."):
        load_model(run.path)
    shard.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    with pytest.raises(CheckpointError, match=rf"{shard.name}: is damaged, its checksum"):
        export(run.path, run.path / "out", layout="qwen3")
    assert not (run.path / "out").exists()


def test_weights_that_are_no_numbers_are_named(run):
    states = network(seed=3).state_dict()
    states["layers.1.attention.wo.weight"][0, 0] = torch.nan
    write(run.checkpoints, 12, states)
    with pytest.raises(CheckpointError, match=r"step-12: the weights layers\.1\.attention\.wo\.weight are not finite"):
        load_model(run.path)


def test_a_checkpoint_of_another_network_is_told_tensor_by_tensor(run):
    states = network(seed=3).state_dict()
    del states["norm.weight"]
    states["layers.1.attention.wo.weight"] = torch.zeros(3, 4)
    write(run.checkpoints, 12, states)
    with pytest.raises(CheckpointError) as told:
        load_model(run.path)
    lines = [line.partition("step-12: ")[2] for line in str(told.value).splitlines()]
    assert lines[0] == "norm.weight: missing."
    assert lines[1].startswith("layers.1.attention.wo.weight: has shape [3, 4], config.json asks for [96, ") and len(lines) == 2


class Evil:
    """What a stranger's table of contents could hold."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")


def test_a_table_of_contents_that_runs_code_is_refused_though_the_manifest_vouches_for_it(run, tmp_path):
    folder = run.checkpoints / "step-10"
    (folder / ".metadata").write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    files = {path.name: facts_of(path) for path in folder.iterdir() if path.name != MANIFEST}
    Manifest(step=10, number=2, world_size=1, recipe="", files=files).write(folder)
    with pytest.raises(CheckpointError, match=r"io\.open has no place in a checkpoint"):
        load_model(run.path)
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_that_an_older_python_wrote_is_read(run, monkeypatch):
    by_name = lambda member, protocol: (getattr, (type(member), member.name))  # noqa: E731 - as enum had it until 3.11.3
    monkeypatch.setattr(metadata._MEM_FORMAT_ENCODING, "__reduce_ex__", by_name)
    write(run.checkpoints, 12, network(seed=5).state_dict())
    assert b"getattr" in (run.checkpoints / "step-12" / ".metadata").read_bytes()
    assert load_model(run.path).step == 12


class Curious:
    """A table of contents that asks an allowed class for what nobody stores."""

    def __reduce__(self):
        return getattr, (metadata.Metadata, "__init__")


def test_nothing_else_is_looked_up_by_name(run):
    (run.checkpoints / "step-10" / ".metadata").write_bytes(pickle.dumps(Curious()))
    with pytest.raises(pickle.UnpicklingError, match=r"getattr of .*Metadata.* has no place in a checkpoint"):
        WeightsReader(run.checkpoints / "step-10").read_metadata()
