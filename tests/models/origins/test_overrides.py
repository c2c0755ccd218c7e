"""What a caller of load_model says otherwise than the folder does: by id and by name, and what of it makes no sense."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from rnd1lib import export, load_model
from rnd1lib.errors import ModelError
from rnd1lib.models.tokens.loading import load_tokenizer
from rnd1lib.models.tokens.tokenizer import train_tokenizer

SOURCE = Path(__file__).parents[2] / "goldens" / "hf" / "qwen3"


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """An autoregressive folder that names no mask token, with a tokenizer that has a token that could serve."""
    path = tmp_path_factory.mktemp("plain")
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(SOURCE / name, path / name)
    train_tokenizer(["a small text about small things"] * 3, 300).save(path)
    told = (path / "tokenizer_config.json").read_text()
    (path / "tokenizer_config.json").write_text(told.replace('"mask_token": "<|mask|>",', ""))
    return path


def test_a_mask_token_is_named_by_its_id_or_by_its_name(plain):
    assert not load_model(plain).has_mask_token
    by_name = load_model(plain, mask_token_id="<|mask|>")
    assert by_name.mask_token_id == by_name.tokenizer.tokens.token_to_id("<|mask|>")
    assert load_model(plain, mask_token_id=319).mask_token_id == 319


@pytest.mark.parametrize(
    ("token", "sentence"),
    [
        (
            "<|mask>",
            "mask_token_id: '<|mask>' is no token of the tokenizer. Did you mean '<|mask|>'? Its special tokens: ",
        ),
        (-1, "mask_token_id: -1 is neither a token id nor a token's name"),
        (True, "mask_token_id: True is neither a token id nor a token's name"),
        (1.0, "mask_token_id: 1.0 is neither a token id nor a token's name"),
    ],
    ids=str,
)
def test_a_mask_token_that_the_model_does_not_have_is_a_sentence(plain, token, sentence):
    with pytest.raises(ValueError, match=r"\.$") as told:
        load_model(plain, mask_token_id=token)
    assert sentence in str(told.value)


def test_a_name_needs_a_tokenizer():
    with pytest.raises(ValueError, match="'<mask>' is a name, and there is no tokenizer: give an id"):
        load_model(SOURCE, mask_token_id="<mask>")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"device": "gpu"}, "device: 'gpu' cannot be used: "),
        ({"device": "GPU:1"}, "A GPU is called 'cuda', or 'cuda:1'."),
        ({"device": torch.device("meta")}, "device: 'meta' cannot be used"),
        ({"device": None}, "device: 'None' cannot be used"),
        ({"dtype": "float16"}, "dtype: 'float16' is none of float32, bfloat16."),
        ({"dtype": torch.float16}, "dtype: 'float16' is none of float32, bfloat16."),
        ({"dtype": None}, "dtype: 'None' is none of"),
        ({"shift": 2}, "shift: 2 is neither 0 nor 1."),
        ({"shift": True}, "shift: True is neither 0 nor 1."),
        ({"shift": "1"}, "shift: '1' is neither 0 nor 1."),
        ({"attention_mask": 5}, "attention_mask: 5 is neither a name nor"),
        ({"attention_mask": {"block_length": 4}}, "is neither a name nor"),
        ({"attention_mask": "bidirectionl"}, "Did you mean 'bidirectional'?"),
        ({"attention_mask": {"use": "block_causal", "block_lenght": 4}}, "Did you mean 'block_length'?"),
    ],
    ids=str,
)
def test_arguments_that_make_no_sense_are_sentences(wrong, sentence):
    with pytest.raises(ValueError, match=r"[.?]") as told:
        load_model(SOURCE, **wrong)
    assert sentence in str(told.value)


@pytest.fixture(scope="module")
def full(plain, tmp_path_factory):
    """The same with as many tokens as rows: 320."""
    path = tmp_path_factory.mktemp("full")
    shutil.copytree(plain, path, dirs_exist_ok=True)
    tokenizer = load_tokenizer(path)
    tokenizer.tokens.add_tokens([f"word{number}" for number in range(320 - tokenizer.vocab_size)])
    tokenizer.save(path)
    return path


def test_a_folder_without_a_spare_row_gets_one_and_is_written_with_it(full, tmp_path):
    model, plain = load_model(full, mask_token_id=320, attention_mask="bidirectional"), load_model(full)
    ids_BL = torch.randint(0, 320, (2, 9), generator=torch.Generator().manual_seed(0))
    causal = load_model(full, mask_token_id=320)
    torch.testing.assert_close(causal.logits(ids_BL)[..., :320], plain.logits(ids_BL), atol=1e-5, rtol=1e-5)
    table = plain.network.tok_embeddings.weight
    torch.testing.assert_close(causal.network.tok_embeddings.mask_row, table.mean(0), atol=1e-6, rtol=1e-5)
    assert (causal.tokenizer.mask_token_id, causal.tokenizer.decode([320])) == (320, "<|mask_320|>")
    back = load_model(export(model, tmp_path / "out", layout="qwen3"))
    assert (back.vocab_size, back.mask_token_id, back.tokenizer.decode([320])) == (384, 320, "<|mask_320|>")
    ids_BL[:, 4] = 320
    assert torch.equal(back.logits(ids_BL), model.logits(ids_BL))


def test_rows_that_no_text_is_encoded_to_are_not_in_the_mean_of_a_new_one(plain, tmp_path):
    shutil.copytree(plain, tmp_path, dirs_exist_ok=True)
    config = json.loads((plain / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"pad_token_id": 319}))
    model, known = load_model(tmp_path, mask_token_id=320), load_tokenizer(plain).vocab_size
    assert known < 319
    mean_D = load_model(plain).network.tok_embeddings.weight[:known].mean(0)
    torch.testing.assert_close(model.network.tok_embeddings.mask_row, mean_D, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("token", "instead"), [(321, r" Possible is 320 \(new: no row was spare"), (9999, " Possible is 320")])
def test_an_id_far_behind_the_table_is_refused_with_the_one_that_would_do(full, token, instead):
    with pytest.raises(ModelError, match=rf"^mask_token_id: {token} is outside the vocabulary of 320 tokens\.{instead}"):
        load_model(full, mask_token_id=token)


def test_without_a_tokenizer_no_table_grows():
    with pytest.raises(ModelError, match=r"^mask_token_id: 320 is outside the vocabulary of 320 tokens\.$"):
        load_model(SOURCE, mask_token_id=320)
