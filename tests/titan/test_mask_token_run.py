"""Runs from a model that has no mask token: which one they take, what its row begins from, and what becomes of the folder."""

import json
import shutil

import pytest
import torch
from rnd1_plugins.models.qwen3 import Qwen3
from titan_runs import weights

import rnd1lib
from rnd1lib.errors import RecipeError
from rnd1lib.kinds import Build
from rnd1lib.models.loading import denoiser
from rnd1lib.models.origins.facts import Facts
from rnd1lib.models.tokens.tokenizer import Tokenizer, train_tokenizer

SIZES = {"num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1}
FREEZE = "lr_groups={use: attention_first, attention_lr: 3.0e-3, rest_lr: null, rest: freeze}"
TEXTS = [f"Text {number} says that {number} and {number + 1} make {2 * number + 1}. " for number in range(40)]


def without_mask(size):
    """A tokenizer of so many ids, an end-of-text among them, none of them to mask by."""
    whole = train_tokenizer(TEXTS, size + 2)
    written = json.loads(whole.tokens.to_str())
    written["added_tokens"] = written["added_tokens"][:1]
    tokens = type(whole.tokens).from_str(json.dumps(written))
    return Tokenizer(tokens=tokens, eos_token_id=whole.eos_token_id, config={"eos_token": "<|endoftext|>"})


def write_plain(path, *, tied, rows, tokenizer, component=None):
    """A folder as an autoregressive model is published: no rnd1_config.json, no mask token."""
    component = component or Qwen3()
    config = component.flavors["tiny"] | SIZES
    config |= {"vocab_size": rows, "tie_word_embeddings": tied, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": None}
    with torch.device("meta"):
        network = component.spec(config, Build(seed=3, sequence_length=128)).model.build()
    network.to_empty(device="cpu")
    network.init_states()
    causal = Facts(shift=1, mask_token_id=None, attention_mask={"use": "causal"})
    rnd1lib.export(denoiser(network.requires_grad_(False), config, causal, tokenizer), path, layout=component.layouts[0])
    (path / "rnd1_config.json").unlink()
    return path


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """tied -> a folder of 300 rows, every one a token's."""
    folder = tmp_path_factory.mktemp("plain")
    return {tied: write_plain(folder / str(tied), tied=tied, rows=300, tokenizer=without_mask(300)) for tied in (True, False)}


def start(run, folder, *overrides):
    return run(f"model={{use: qwen3, flavor: null, init: {folder}, tokenizer: null}}", "objective=a2d_shift", *overrides)


def table_of(folder, name="model.embed_tokens.weight"):
    from rnd1lib.models.origins.folder import open_folder

    return open_folder(folder).tensor(name)


@pytest.mark.parametrize("tied", [True, False])
def test_a_full_table_grows_is_trained_exported_and_opened_by_transformers(tied, full, run, tmp_path, capsys):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    result = start(run, full[tied], FREEZE, "train.steps=2", "run.stop_after=1")
    said = "mask token 300 '<|mask|>' (new: no row was spare, so the table grows from 300 to 320 rows); its row starts from"
    assert said in capsys.readouterr().err
    model = result.folder / "model"
    assert json.loads((model / "config.json").read_text())["vocab_size"] == 320
    assert said in json.loads((model / "rnd1_config.json").read_text())["mask_token"]
    before, first = table_of(full[tied]), weights(result)
    assert torch.equal(first["tok_embeddings.weight"][:300], before)
    torch.testing.assert_close(first["tok_embeddings.weight"][301:], before.mean(0).expand(19, -1), atol=1e-7, rtol=1e-5)
    if not tied:
        head = table_of(full[tied], "lm_head.weight")
        torch.testing.assert_close(first["lm_head.weight"][300:], head.mean(0).expand(20, -1), atol=1e-7, rtol=1e-5)
    result = start(run, full[tied], FREEZE, "train.steps=2")
    capsys.readouterr()
    trained = result.model()
    assert not torch.equal(trained.network.tok_embeddings.mask_row, first["tok_embeddings.mask_row"])

    out = rnd1lib.export(result.folder, tmp_path / "out", layout="qwen3")
    back, ids_BL = rnd1lib.load_model(out), torch.randint(0, 301, (2, 16), generator=torch.Generator().manual_seed(0))
    assert (back.vocab_size, back.mask_token_id, back.tokenizer.decode([300])) == (320, 300, "<|mask|>")
    assert torch.equal(back.logits(ids_BL), trained.logits(ids_BL))
    theirs = AutoModelForCausalLM.from_pretrained(out, attn_implementation="eager").eval()
    assert theirs.config.vocab_size == 320 == theirs.get_input_embeddings().num_embeddings
    torch.testing.assert_close(theirs(ids_BL).logits, back.logits(ids_BL), atol=1e-4, rtol=1e-4)
    assert AutoTokenizer.from_pretrained(out).mask_token_id == 300

    again = start(run, out, "lr_groups={use: uniform, lr: 0.0}", "run.stop_after=1", f"run.folder={tmp_path}/again")
    assert "mask token 300 '<|mask|>' (declared by the model); its row is kept as it was trained." in capsys.readouterr().err
    assert torch.equal(weights(again)["tok_embeddings.mask_row"], trained.network.tok_embeddings.mask_row)


def test_the_masks_row_of_the_head_never_learns_and_the_other_new_rows_do(full, run):
    """The mask token is in no softmax; a row of padding is, so that it learns not to be predicted. Its start is another's."""
    options = ("lr_groups={use: uniform, lr: 1.0e-2, weight_decay: 0.0}", "model.mask_row=token:<|endoftext|>")
    head = weights(start(run, full[False], *options, "run.stop_after=2"))["lm_head.weight"]
    torch.testing.assert_close(head[300], table_of(full[False], "lm_head.weight").mean(0), atol=1e-7, rtol=1e-5)
    assert not any(torch.allclose(row, head[300], atol=1e-4) for row in head[301:])


def test_an_autoregressive_run_leaves_the_table_alone(full, run, capsys):
    causal = ("objective=autoregressive", "attention_mask=causal", "lr_groups={use: uniform, lr: 0.0}", "run.stop_after=1")
    result = run(f"model={{use: qwen3, flavor: null, init: {full[True]}, tokenizer: null}}", *causal)
    assert "mask token 300" not in capsys.readouterr().err
    assert torch.equal(weights(result)["tok_embeddings.weight"], table_of(full[True]))
    assert json.loads((result.folder / "model/rnd1_config.json").read_text())["mask_token_id"] is None


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        (
            "model.mask_token_id=301",
            r"mask_token_id: 301 is outside the vocabulary of 300 tokens\. Possible is 300 \(new",
        ),
        ("model.mask_token_id='<|endoftxt|>'", r"model\.mask_token_id: .* Did you mean '<\|endoftext\|>'"),
        ("model.mask_token_id='<|endoftext|>'", r"is what ends a text, which the model has to see and to write"),
        ("model.mask_row=keep", r"model\.mask_row: keep: .* has 300 rows and none for the mask token 300"),
        ("model.mask_row=token:300", r"model\.mask_row: token 300 is outside the vocabulary of 300 tokens"),
        ("model.mask_row=token:nothing", r"model\.mask_row: 'nothing' is no token of the tokenizer"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_nothing_is_written(override, sentence, full, run, tmp_path):
    with pytest.raises(RecipeError, match=sentence):
        start(run, full[True], override)
    assert not (tmp_path / "run").exists()


def test_without_a_tokenizer_and_with_too_large_a_one_nothing_grows(full, run, tmp_path):
    bare = shutil.copytree(full[True], tmp_path / "bare")
    (bare / "tokenizer.json").unlink()
    with pytest.raises(RecipeError, match="without a tokenizer it is not known which ids texts use"):
        start(run, bare)
    without_mask(302).save(tmp_path / "larger")
    with pytest.raises(RecipeError, match="its 302 tokens do not fit the model's vocabulary of 300"):
        start(run, full[True], f"model.tokenizer={tmp_path / 'larger'}")
