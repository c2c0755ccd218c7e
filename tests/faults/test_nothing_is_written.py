"""A start that cannot succeed: exit code 2, a line a problem, and no run folder."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Qwen3Config, Qwen3ForCausalLM

from rnd1lib.models.tokens.tokenizer import train_tokenizer


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A small Qwen3 with a tokenizer, as transformers writes it."""
    folder = tmp_path_factory.mktemp("published")
    sizes = {"vocab_size": 512, "hidden_size": 32, "num_hidden_layers": 2, "intermediate_size": 48, "head_dim": 16}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "eos_token_id": 509, "mask_token_id": 511}
    Qwen3ForCausalLM(Qwen3Config(**sizes, **heads)).save_pretrained(folder)
    train_tokenizer([Path(__file__).read_text()], 512).save(folder)
    return folder


@pytest.fixture
def start(rnd1, tiny, published, tmp_path):
    """start(spoil) trains from a copy of the folder that `spoil` has changed -> exit code, stderr."""

    def train(spoil, *overrides):
        folder = tmp_path / "init"
        shutil.copytree(published, folder)
        spoil(folder)
        model = ["model.use=qwen3", "model.flavor=null", "model.tokenizer=null", f"model.init={folder}"]
        return rnd1("train", tiny, *model, *overrides)

    return train


def lose_a_tensor(folder):
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.norm.weight"]
    tensors["model.layers.0.self_attn.q_norm.weight"] = torch.zeros(3)
    save_file(tensors, folder / "model.safetensors")


def become_a_pickle(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def bring_code(folder):
    (folder / "modeling_evil.py").write_text(f"open({str(folder.parent / 'ran')!r}, 'w')")
    config = json.loads((folder / "config.json").read_text())
    evil = {"model_type": "evil", "auto_map": {"AutoModelForCausalLM": "modeling_evil.Evil"}}
    (folder / "config.json").write_text(json.dumps(config | evil))


@pytest.mark.parametrize(
    ("spoil", "sentences"),
    [
        (lose_a_tensor, ["model.norm.weight: missing.", "q_norm.weight: has shape [3], config.json asks for [16]."]),
        (become_a_pickle, ["only pickles (pytorch_model.bin), which can run code when opened."]),
        (bring_code, ["has model_type 'evil', and the model 'qwen3' reads qwen3, "]),
    ],
)
def test_a_model_folder_that_cannot_be_used(start, tmp_path, spoil, sentences):
    code, lines = start(spoil)
    assert code == 2 and len(lines) == len(sentences)
    assert all(sentence in line for line, sentence in zip(lines, sentences, strict=True))
    assert not (tmp_path / "run").exists() and not (tmp_path / "ran").exists()


@pytest.mark.parametrize(("size", "known_beforehand"), [(300, True), (512, False)])
def test_a_tokenizer_is_not_made_for_weights_that_know_another(start, tmp_path, size, known_beforehand):
    code, lines = start(lambda folder: None, f"model.tokenizer={{train: {size}}}")
    assert code == 2 and len(lines) == 1
    assert lines[0].startswith(f"model.tokenizer: {{train: ...}} makes another tokenizer than that of {tmp_path}/init,")
    assert lines[0].endswith("Say model.tokenizer=null: then its own is used.")
    assert (tmp_path / "run/model/config.json").exists() is (tmp_path / "run/checkpoints").exists() is False
    assert not known_beforehand or not (tmp_path / "run").exists()


def test_a_flavor_of_another_size_says_how_the_folders_is_taken(start, tmp_path):
    code, lines = start(lambda folder: None, "model.flavor=tiny")
    assert code == 2 and not (tmp_path / "run").exists()
    assert "of another size than flavor 'tiny': hidden_size 32 (flavor: " in lines[0] and "Say model.flavor=null:" in lines[0]


def test_code_in_a_folder_of_a_known_type_is_not_run(start, tmp_path):
    def bring_known_code(folder):
        bring_code(folder)
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"model_type": "qwen3"}))

    assert start(bring_known_code, "train.steps=1")[0] == 0
    assert (tmp_path / "run/checkpoints/step-1").is_dir() and not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["noise=linaer"], "Did you mean 'linear'?"),
        (["train.steps=many"], "train.steps: 'many' is not a whole number"),
        (["titan.training.seq_len=3"], "Use train.sequence_length."),
        (["data={use: text, path: 'nowhere/*.txt'}"], "nowhere/*.txt: no file matches"),
        (["data={use: text, path: .}"], "It is a folder: ** matches all files below it."),
        (["model.tokenizer=."], "model.tokenizer: . holds no tokenizer.json"),
        (["evaluators={nll: {use: nll, data: {use: text, path: 'nowhere/*.txt'}}}"], "nowhere/*.txt: no file matches"),
        (["model.init=nowhere", "model.flavor=null"], "nowhere: no such folder."),
        (["model.tokenizer=nowhere"], "nowhere: no such folder."),
        (["model.use=qwen3", "model.flavor=nano"], "there is no 'nano'"),
    ],
)
def test_a_recipe_that_asks_in_vain(rnd1, tiny, tmp_path, overrides, sentence):
    code, lines = rnd1("train", tiny, *overrides)
    assert code == 2 and len(lines) == 1 and sentence in lines[0]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"extends: bad.yaml\n", "bad.yaml"),
        ("about: ä".encode("latin-1"), "is not UTF-8"),
        (b"a: [\n", "not YAML"),
    ],
)
def test_a_file_that_is_no_recipe(rnd1, tmp_path, monkeypatch, text, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bad.yaml").write_bytes(text)
    code, lines = rnd1("train", "bad.yaml")
    assert code == 2 and len(lines) == 1 and sentence in lines[0]
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"]


def test_groups_that_fit_no_parameter(rnd1, tiny, tmp_path):
    (tmp_path / "groups.py").write_text(
        "from dataclasses import dataclass\n"
        "from rnd1lib import hookimpl\n"
        "from rnd1lib.kinds import Group\n"
        "@dataclass(frozen=True, kw_only=True)\n"
        "class Strange:\n"
        "    '''Matches nothing.'''\n"
        "    def groups(self, names):\n"
        "        return [Group('all', '.', 1e-3, 0.0), Group('strange', 'nothing', 1e-3, 0.0)]\n"
        "@hookimpl\n"
        "def rnd1_register(register):\n"
        "    register.lr_groups('strange', Strange)\n"
    )
    tiny.write_text(tiny.read_text() + "plugins: [./groups.py]\n")
    code, lines = rnd1("train", tiny, "lr_groups=strange")
    assert code == 2 and "group 'strange' (pattern 'nothing') matches no parameter" in lines[-1]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("folder", ["tiny.yaml", "tiny.yaml/below"])
def test_a_run_folder_that_cannot_be_made(rnd1, tiny, tmp_path, folder):
    code, lines = rnd1("train", tiny, f"run.folder={tmp_path / folder}")
    assert code == 2 and len(lines) == 1
    assert f"run.folder: {tmp_path / folder} cannot be made, since {tiny} is a file." in lines[0]


def test_a_folder_with_a_model_of_its_own_is_no_run_folder(rnd1, tiny, published, tmp_path):
    shutil.copytree(published, tmp_path / "run/model")
    before = sorted(path.name for path in (tmp_path / "run").rglob("*"))
    code, lines = rnd1("train", tiny)
    assert code == 2 and len(lines) == 1 and "run/model: is there already, and is no run's." in lines[0]
    assert sorted(path.name for path in (tmp_path / "run").rglob("*")) == before
