import json
import re
import shutil

import pytest
import torch
from safetensors.torch import load_file

import rnd1lib
from rnd1lib import load_model
from rnd1lib.errors import ModelError, PluginError
from rnd1lib.models.tokens.tokenizer import train_tokenizer

MASK = 315
SHAPES = ["tied", "untied", "mixed", "every_second"]


def ids_with_masks(rows=2, length=24):
    ids = torch.randint(0, 310, (rows, length), generator=torch.Generator().manual_seed(1))
    ids[:, ::5] = MASK
    return ids


@pytest.fixture(params=["qwen3", "qwen3_moe"])
def golden(request, goldens):
    folder = goldens / "hf" / request.param
    return folder, load_file(folder / "golden.safetensors")


@pytest.mark.goldens
@pytest.mark.parametrize(("mask", "word"), [("causal", "causal"), ("bidirectional", "bidir")])
@pytest.mark.parametrize("config", ["config.json", "config.transformers5.json"])
def test_logits_are_those_of_transformers_in_both_spellings_of_the_config(golden, mask, word, config, tmp_path):
    folder, expected = golden
    shutil.copy(folder / "model.safetensors", tmp_path)
    shutil.copy(folder / config, tmp_path / "config.json")
    model = load_model(tmp_path, attention_mask=mask, mask_token_id=MASK)
    torch.testing.assert_close(model.logits(expected["input_ids"]), expected[f"{word}_logits"], atol=1e-4, rtol=0)
    assert (model.eos_token_id, model.pad_token_id, model.vocab_size) == (317, 316, 320)


@pytest.mark.goldens
@pytest.mark.parametrize(("mask", "word"), [("causal", "causal"), ("bidirectional", "bidir")])
def test_padding_on_the_right_changes_nothing_of_what_is_real(golden, mask, word):
    folder, expected = golden
    real = expected["rpad_attention_mask"].bool()
    model = load_model(folder, attention_mask=mask, mask_token_id=MASK)
    logits = model.logits(expected["rpad_ids"], documents_BL=(~real).long())
    torch.testing.assert_close(logits[real], expected[f"rpad_{word}_logits"][real], atol=1e-4, rtol=0)


@pytest.mark.goldens
def test_padding_on_the_left_and_packed_documents_restart_their_positions(golden):
    folder, expected = golden
    model = load_model(folder, attention_mask="bidirectional", mask_token_id=MASK)
    real = expected["lpad_attention_mask"].bool()
    left = model.logits(expected["lpad_ids"], documents_BL=(~real).long())
    torch.testing.assert_close(left[real], expected["lpad_bidir_logits"][real], atol=1e-4, rtol=0)
    documents = expected["packed_doc_ids"].expand_as(expected["input_ids"])
    packed = model.logits(expected["input_ids"], documents_BL=documents)
    torch.testing.assert_close(packed, expected["packed_bidir_logits"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_folder_of_any_shape_gives_transformers_logits(shape, written_by_transformers):
    folder, theirs = written_by_transformers[shape]
    ids = ids_with_masks()
    with torch.no_grad():
        causal, bidirectional = theirs(ids).logits, theirs(ids, attention_mask=torch.zeros(2, 1, 24, 24)).logits
    for mask, expected in (("causal", causal), ("bidirectional", bidirectional)):
        model = load_model(folder, attention_mask=mask, mask_token_id=MASK)
        torch.testing.assert_close(model.logits(ids), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_interleaved_documents_are_the_documents_alone(shape, written_by_transformers):
    model = load_model(written_by_transformers[shape][0], attention_mask="causal", mask_token_id=MASK)
    ids, documents = ids_with_masks(1), torch.tensor([[7, 7, -2] * 8])
    mixed = model.logits(ids, documents_BL=documents)
    for document in (7, -2):
        alone = model.logits(ids[documents == document][None])
        torch.testing.assert_close(mixed[documents == document], alone[0], atol=1e-4, rtol=0)


def test_chosen_rows_are_those_of_the_whole(written_by_transformers):
    model = load_model(written_by_transformers["mixed"][0], attention_mask="bidirectional", mask_token_id=MASK)
    ids = ids_with_masks()
    rows = ids == MASK
    torch.testing.assert_close(model.logits(ids, rows_BL=rows), model.logits(ids)[rows], atol=1e-5, rtol=0)
    assert model.logits(ids, rows_BL=torch.zeros_like(rows)).shape == (0, 320)


def test_bfloat16_is_near_float32_and_stays_bfloat16(written_by_transformers):
    folder = written_by_transformers["untied"][0]
    full, half = (load_model(folder, dtype=dtype, mask_token_id=MASK) for dtype in ("float32", torch.bfloat16))
    ids = ids_with_masks()
    logits = half.logits(ids)
    assert logits.dtype == torch.bfloat16
    assert torch.nn.functional.cosine_similarity(logits.float().flatten(), full.logits(ids).flatten(), dim=0) > 0.999


def test_a_plain_folder_is_autoregressive_and_has_no_mask_token(written_by_transformers):
    folder, theirs = written_by_transformers["untied"]
    model = load_model(folder)
    ids = ids_with_masks()
    with torch.no_grad():
        torch.testing.assert_close(model.logits(ids), theirs(ids).logits, atol=1e-4, rtol=0)
    assert model.shift == 1
    assert not model.has_mask_token
    with pytest.raises(ModelError, match="mask_token_id"):
        _ = model.mask_token_id


def test_what_the_folder_says_of_itself_is_taken_and_can_be_overridden(written_by_transformers, tmp_path):
    shutil.copytree(written_by_transformers["tied"][0], tmp_path, dirs_exist_ok=True)
    facts = {
        "shift": 0,
        "mask_token_id": 312,
        "attention_mask": {"use": "bidirectional"},
        "noise": {"use": "linear"},
        "step": 9,
    }
    (tmp_path / "rnd1_config.json").write_text(json.dumps(facts))
    model = load_model(tmp_path)
    assert (model.shift, model.mask_token_id, model.attention_mask.pattern(0), model.step) == (0, 312, "full", 9)
    assert model.noise is not None
    other = load_model(tmp_path, shift=1, mask_token_id=MASK, attention_mask={"use": "causal"})
    assert (other.shift, other.mask_token_id, other.attention_mask.pattern(0)) == (1, MASK, "causal")
    assert other.reading == f"shift 1, mask token {MASK}, causal (given)"


def test_rnd1s_own_folders_are_bidirectional_with_shift_1_and_their_odd_values_are_read(goldens, tmp_path):
    folder = goldens / "hf/qwen3_moe"
    shutil.copy(folder / "model.safetensors", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "rnd1", "mask_token_id": MASK, "rope_scaling": False, "sliding_window": False}
    (tmp_path / "config.json").write_text(json.dumps(config))
    model, expected = load_model(tmp_path), load_file(folder / "golden.safetensors")
    assert (model.shift, model.mask_token_id) == (1, MASK)
    torch.testing.assert_close(model.logits(expected["input_ids"]), expected["bidir_logits"], atol=1e-4, rtol=0)


def test_the_tokenizer_of_a_folder_gives_the_ids_that_config_leaves_out(written_by_transformers, tmp_path):
    shutil.copytree(written_by_transformers["tied"][0], tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"eos_token_id": [311, 312], "pad_token_id": None}))
    tokenizer = train_tokenizer(["one two three"] * 3, 300)
    tokenizer.save(tmp_path)
    model = load_model(tmp_path)
    assert (model.eos_token_id, model.pad_token_id) == (311, tokenizer.pad_token_id)
    assert model.mask_token_id == tokenizer.mask_token_id


@pytest.mark.parametrize(
    ("arguments", "sentence"), [({"dtype": "float16"}, "float32, bfloat16"), ({"shift": 2}, "neither 0 nor 1")]
)
def test_a_wrong_argument_is_a_value_error(arguments, sentence, written_by_transformers):
    with pytest.raises(ValueError, match=sentence):
        load_model(written_by_transformers["tied"][0], **arguments)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"model_type": "gpt9"}, "'gpt9' is not supported. Supported: .*qwen3, qwen3_moe, rnd1"),
        ({"hidden_size": "48"}, r"/config\.json: hidden_size: '48' is no positive whole number"),
        ({"attention_bias": True}, "attention_bias"),
        ({"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e6}}, "'yarn' is not built"),
    ],
)
def test_a_config_that_is_not_ours_says_why(change, sentence, written_by_transformers, tmp_path):
    shutil.copytree(written_by_transformers["tied"][0], tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(ModelError, match=sentence):
        load_model(tmp_path)


def test_a_mask_token_outside_the_vocabulary_and_a_row_that_is_too_long_are_sentences(written_by_transformers):
    folder = written_by_transformers["tied"][0]
    with pytest.raises(ModelError, match="320 is outside the vocabulary of 320"):
        load_model(folder, mask_token_id=320)
    with pytest.raises(ModelError, match="129 tokens is longer than this network's 128"):
        load_model(folder).logits(torch.zeros(1, 129, dtype=torch.long))


@pytest.mark.parametrize(
    "facts", [{"shift": 3, "attention_mask": {"use": "causal"}}, {"shift": 0}, {"shift": 1, "attention_mask": "x"}]
)
def test_facts_that_make_no_sense_are_named(facts, written_by_transformers, tmp_path):
    shutil.copytree(written_by_transformers["tied"][0], tmp_path, dirs_exist_ok=True)
    (tmp_path / "rnd1_config.json").write_text(json.dumps(facts))
    with pytest.raises(ModelError, match=r"rnd1_config\.json: (shift|attention_mask)"):
        load_model(tmp_path)


def test_a_model_type_that_nobody_reads_names_the_components_that_are_broken(golden, monkeypatch):
    build = rnd1lib.build

    def without_qwen3(kind, name):
        if name.startswith("qwen3"):
            raise PluginError(f"model '{name}' cannot be imported")
        return build(kind, name)

    monkeypatch.setattr(rnd1lib, "build", without_qwen3)
    with pytest.raises(ModelError, match=r"is not supported.*\n.*broken.*'qwen3' cannot be imported"):
        load_model(golden[0])


def test_a_folder_without_a_mask_token_gets_one_from_the_file_that_the_sentence_names(golden, tmp_path):
    with pytest.raises(ModelError, match="no mask token") as told:
        _ = load_model(golden[0]).mask_token_id
    shutil.copytree(golden[0], tmp_path / "model")
    facts = re.search(r"rnd1_config.json in its folder: (.*)\.$", str(told.value))[1]
    (tmp_path / "model" / "rnd1_config.json").write_text(facts.replace("...", str(MASK)))
    assert load_model(tmp_path / "model").mask_token_id == MASK
