"""Every component that ships with rnd1lib keeps every promise of its kind, with its defaults and with other options."""

import json

import pyarrow.parquet
import pytest
import torch

import rnd1lib
from rnd1lib.data.encoding import Tokens
from rnd1lib.data.shard_writer import ShardWriter
from rnd1lib.kinds import KINDS
from rnd1lib.testing import check

OPTIONS = {
    "attention_mask": {
        "annealing": [{"steps": 1}, {"steps": 6, "seed": 3}],
        "band_annealing": [{"steps": 7}],
        "block_causal": [{"block_length": 1}, {"block_length": 5}],
        "block_diffusion": [{"block_length": 4, "sequence_length": 20}, {"block_length": 5, "sequence_length": 12}],
        "grafting": [{"after": 4}] + [{"after": 2, "fit_steps": 3, "fit_loss": loss} for loss in ("l2", "huber", "l1")],
    },
    "noise": {
        "cosine": [{"variant": "mdlm"}, {"eps": 0.0}],
        "cosine_squared": [{"eps": 0.0}],
        "log_linear": [{"eps": 0.02}],
        "polynomial": [{"power": 0.5}, {"power": 1.0}, {"power": 1.5}],
    },
    "objective": {
        "mdlm": [
            {"weight": "uniform"},
            {"weight": "mean"},
            {"weight": "cart"},
            {"normalise": "masked"},
            {"normalise": "answer"},
        ],
        "a2d_shift": [{"weight": "cart"}, {"weight": "mean"}, {"normalise": "masked"}],
        "autoregressive": [{"normalise": "answer"}],
    },
    "lr_groups": {"attention_first": [{"setting": n} for n in (1, 2, 3, 4)] + [{"rest": "freeze"}, {"attention_lr": 1e-3}]},
    "sampler": {
        "rnd1_entropy": [{"eb_gamma": 1.5, "block_length": 5}, {"steps": 5, "parity": "rnd1"}],
        "llada": [
            {"remasking": "random", "steps": 6},
            {"remasking": "random", "parity": "llada"},
            {"parity": "dllm", "steps": 7},
        ],
        "dream": [{"alg": "topk_margin"}, {"alg": "entropy", "alg_temp": 0.5}, {"alg": "maskgit_plus", "parity": "dream"}],
        "threshold": [{"threshold": 0.2, "block_length": 4}],
        "factor": [{"factor": 2.5}],
        "ancestral": [{"steps": 7, "temperature": 1.0}],
        "p2": [{"steps": 6}],
    },
    "data": {
        "text": [{"path": "FILES/*.txt"}],
        "jsonl": [{"path": "FILES/*.jsonl"}],
        "parquet": [{"path": "FILES/*.parquet"}],
        "chat": [{"path": "FILES/*.chat"}, {"path": "FILES/*.chat", "answers": "last", "pad_to": "row"}],
        "tokens": [{"path": "FILES/tokens"}],
        "hub": [{"path": "FILES/hub"}],
        "mix": [
            {
                "sources": {"a": {"use": "text", "path": "FILES/*.txt"}, "b": {"use": "chat", "path": "FILES/*.chat"}},
                "weights": {"a": 0.7, "b": 0.3},
            }
        ],
    },
}
NEEDS_OPTIONS = {
    *(("data", name) for name in OPTIONS["data"]),
    ("attention_mask", "block_diffusion"),
    ("attention_mask", "grafting"),
}
COMPONENTS = [
    (kind, name, options)
    for kind in KINDS
    for name, info in rnd1lib.components(kind)[kind].items()
    if info.package == "rnd1lib"
    for options in [{}] * ((kind, name) not in NEEDS_OPTIONS) + OPTIONS.get(kind, {}).get(name, [])
]


def label(value):
    return "" if value == {} else " ".join(f"{k}={v}" for k, v in value.items()) if isinstance(value, dict) else value


def chats(texts):
    """Conversations of one and of two answers."""
    for n, text in enumerate(texts):
        turns = [("user", f"Say {n}"), ("assistant", text), ("user", "Again"), ("assistant", text[::-1])]
        messages = [{"role": role, "content": content} for role, content in turns[: 2 + 2 * (n % 2)]]
        yield json.dumps({"messages": messages})


def write_tokens(folder, texts):
    with ShardWriter(folder, vocabulary="words", vocab_size=300, shard_tokens=400) as writer:
        for text in texts:
            ids_N = torch.tensor(list(text.encode()))
            writer.add(Tokens(ids_N, ids_N > 40))


def write_parquet(path, texts):
    pyarrow.parquet.write_table(pyarrow.table({"text": texts}), path, row_group_size=4)


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """Some documents as files, in every format that a component reads."""
    folder = tmp_path_factory.mktemp("documents")
    texts = [f"Document {n}. " + "words " * (n * 7 % 40) for n in range(23)]
    (folder / "hub").mkdir()
    for n, text in enumerate(texts):
        (folder / f"{n:02}.txt").write_text(text)
    for name, part in (("a", texts[:9]), ("b", texts[9:])):
        lines = [json.dumps({"text": text}) for text in part]
        (folder / f"{name}.jsonl").write_text("\n\n".join(lines) + "\n")
        (folder / "hub" / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
        (folder / f"{name}.chat").write_text("\n".join(chats(part)) + "\n")
        write_parquet(folder / f"{name}.parquet", part)
    write_tokens(folder / "tokens", texts)
    return folder


def placed(options, files):
    """The options with the folder of the files in them."""
    return json.loads(json.dumps(options).replace("FILES", str(files)))


@pytest.mark.parametrize(("kind", "name", "options"), COMPONENTS, ids=label)
def test_a_first_party_component_keeps_its_promises(kind, name, options, files):
    check(rnd1lib.build(kind, name, **placed(options, files)), kind)


def test_every_entry_of_the_table_is_a_component():
    for kind, names in OPTIONS.items():
        assert set(names) <= set(rnd1lib.components(kind)[kind])
    assert len(COMPONENTS) > 70
