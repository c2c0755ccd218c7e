import json
from hashlib import sha256

import pytest
import torch
from safetensors.torch import load_file

from rnd1lib import export, load_model
from rnd1lib.errors import ModelError
from rnd1lib.models.config.layouts import transformers_config
from rnd1lib.models.export import export_and_compare, write_tensors
from rnd1lib.models.tokens.tokenizer import train_tokenizer

MASK = 315
LAYOUTS = {"tied": "qwen3", "untied": "qwen3", "mixed": "qwen3_moe", "every_second": "qwen3_moe"}


def trained(folder, **options):
    """As after training: a mask row of its own, written into its table as load_model does with a run's."""
    model = load_model(folder, attention_mask="bidirectional", mask_token_id=MASK, **options)
    with torch.no_grad():
        model.network.get_parameter("tok_embeddings.mask_row").normal_(generator=torch.Generator().manual_seed(3))
        model.network.tok_embeddings.weight[MASK] = model.network.tok_embeddings.mask_row
    return model


@pytest.mark.parametrize(("shape", "layout"), LAYOUTS.items())
def test_transformers_gives_the_models_logits(shape, layout, written_by_transformers, tmp_path):
    from transformers import AutoModelForCausalLM

    model = trained(written_by_transformers[shape][0])
    done = export_and_compare(model, tmp_path / "out", layout=layout)
    assert done.path == tmp_path / "out"
    assert done.comparison.logits == 2 * 32 * 320
    assert done.comparison.difference <= 1e-5
    assert done.comparison.rounding == 0
    theirs, info = AutoModelForCausalLM.from_pretrained(done.path, dtype=torch.float32, output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    ids = torch.randint(0, 320, (2, 20), generator=torch.Generator().manual_seed(0))
    ids[:, 3] = MASK
    with torch.no_grad():
        torch.testing.assert_close(model.logits(ids), theirs(ids).logits, atol=1e-4, rtol=0)


def test_an_autoregressive_model_stays_causal_for_transformers(written_by_transformers, tmp_path):
    out = export(load_model(written_by_transformers["untied"][0]), tmp_path / "out", layout="qwen3")
    assert "is_causal" not in json.loads((out / "config.json").read_text())
    assert load_model(out).attention_mask.pattern(0) == "causal"


def test_what_was_exported_is_read_back_with_everything_it_is(written_by_transformers, tmp_path):
    model = load_model(written_by_transformers["tied"][0], attention_mask="bidirectional", shift=0, mask_token_id=MASK)
    model.step, model.tokenizer = 12, train_tokenizer(["some words"] * 3, 300)
    back = load_model(export(model, tmp_path / "out", layout="qwen3"))
    assert (back.shift, back.mask_token_id, back.step) == (0, MASK, 12)
    assert (back.eos_token_id, back.pad_token_id) == (317, 316)
    assert back.attention_mask == model.attention_mask
    assert back.tokenizer.decode(back.tokenizer.encode("some words")) == "some words"


def test_several_ends_of_a_text_are_all_written(written_by_transformers, tmp_path):
    model = load_model(written_by_transformers["tied"][0])
    model.config = {**model.config, "eos_token_id": [317, 5]}
    out = export(model, tmp_path / "out", layout="qwen3")
    for name in ("config.json", "generation_config.json"):
        assert json.loads((out / name).read_text())["eos_token_id"] == [317, 5]
    assert load_model(out).end_token_ids == (317, 5)


def test_a_folder_of_many_files_reads_back(written_by_transformers, tmp_path):
    out = export(trained(written_by_transformers["mixed"][0]), tmp_path / "out", layout="qwen3_moe", shard_size=60_000)
    index = json.loads((out / "model.safetensors.index.json").read_text())
    files = {file.name: load_file(file) for file in out.glob("*.safetensors")}
    assert len(files) > 2
    assert index["weight_map"] == {name: file for file, tensors in files.items() for name in tensors}
    assert index["metadata"]["total_size"] == sum(t.nbytes for tensors in files.values() for t in tensors.values())
    assert all(len(tensors) == 1 or sum(t.nbytes for t in tensors.values()) <= 60_000 for tensors in files.values())


def test_the_checksums_are_those_of_every_other_file(written_by_transformers, tmp_path):
    out = export(trained(written_by_transformers["tied"][0]), tmp_path / "out", layout="qwen3")
    sums = dict(reversed(line.split("  ")) for line in (out / "SHA256SUMS").read_text().splitlines())
    others = {file for file in out.iterdir() if file.name != "SHA256SUMS"}
    assert sums == {file.name: sha256(file.read_bytes()).hexdigest() for file in others}
    assert {"config.json", "README.md", "model.safetensors"} <= set(sums)


def test_a_narrower_dtype_is_compared_as_rounded_and_what_rounding_did_is_told(written_by_transformers, tmp_path):
    model = trained(written_by_transformers["untied"][0])
    done = export_and_compare(model, tmp_path / "out", layout="qwen3", dtype="bfloat16")
    assert done.dtype == "bfloat16"
    assert done.comparison.difference <= 1e-5
    assert 1e-3 < done.comparison.rounding < 1
    written = load_file(done.path / "model.safetensors")
    norm = model.network.get_parameter("norm.weight")
    assert torch.equal(written["model.norm.weight"], norm.bfloat16())


def test_a_folder_stays_in_its_own_dtype_and_can_be_written_wider(written_by_transformers, tmp_path):
    narrow = export(written_by_transformers["mixed"][0], tmp_path / "narrow", layout="qwen3_moe", dtype="bfloat16")
    same = export(narrow, tmp_path / "same", layout="qwen3_moe")
    wide = export(narrow, tmp_path / "wide", layout="qwen3_moe", dtype=torch.float32)
    kept, widened = load_file(same / "model.safetensors"), load_file(wide / "model.safetensors")
    assert {tensor.dtype for tensor in kept.values()} == {torch.bfloat16}
    assert {tensor.dtype for tensor in widened.values()} == {torch.float32}
    assert all(torch.equal(kept[name].float(), tensor) for name, tensor in widened.items())


@pytest.mark.parametrize(
    ("wrong", "sentence"), [({"dtype": "float8"}, "dtype: 'float8' is none of"), ({"shard_size": "5"}, "is no size")]
)
def test_what_is_no_dtype_and_no_size_is_refused_before_anything_is_written(wrong, sentence, written_by_transformers, tmp_path):
    with pytest.raises(ValueError, match=sentence):
        export(written_by_transformers["tied"][0], tmp_path / "deep" / "out", layout="qwen3", **wrong)
    assert list(tmp_path.iterdir()) == []


def test_bfloat16_stays_bfloat16(written_by_transformers, tmp_path):
    out = export(trained(written_by_transformers["mixed"][0], dtype="bfloat16"), tmp_path / "out", layout="rnd1")
    assert {tensor.dtype for tensor in load_file(out / "model.safetensors").values()} == {torch.bfloat16}
    config = json.loads((out / "config.json").read_text())
    assert (config["dtype"], config["model_type"], config["architectures"]) == ("bfloat16", "rnd1", ["RND1LM"])


def test_an_unknown_layout_names_the_known_ones_and_creates_nothing(written_by_transformers, tmp_path):
    with pytest.raises(ValueError, match=r"'qwen9' is unknown\. Did you mean 'qwen3'\? Layouts: .*qwen3, qwen3_moe, rnd1"):
        export(written_by_transformers["tied"][0], tmp_path / "deep" / "out", layout="qwen9")
    assert list(tmp_path.iterdir()) == []


def test_a_layout_that_does_not_fit_and_a_folder_that_exists_are_refused(written_by_transformers, tmp_path):
    with pytest.raises(ModelError, match=r"'rnd1' does not fit a qwen3 model\. Fitting: qwen3"):
        export(written_by_transformers["tied"][0], tmp_path / "out", layout="rnd1")
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ModelError, match="exists already"):
        export(written_by_transformers["tied"][0], tmp_path, layout="qwen3")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_weights_that_are_not_finite_leave_nothing_behind(written_by_transformers, tmp_path):
    model = trained(written_by_transformers["tied"][0])
    with torch.no_grad():
        model.network.get_parameter("norm.weight")[0] = torch.nan
    with pytest.raises(ModelError, match=r"model\.norm\.weight: holds numbers that are not finite"):
        export(model, tmp_path / "out", layout="qwen3")
    assert list(tmp_path.iterdir()) == []


def test_a_tensor_that_reads_back_otherwise_leaves_nothing_behind(written_by_transformers, tmp_path, monkeypatch):
    model = trained(written_by_transformers["tied"][0])

    def spoilt(folder, shapes, tensors, **options):
        changed = ((name, tensor * (1.01 if name == "model.norm.weight" else 1)) for name, tensor in tensors)
        write_tensors(folder, shapes, changed, **options)

    monkeypatch.setattr("rnd1lib.models.export.write_tensors", spoilt)
    with pytest.raises(ModelError, match=r"model\.norm\.weight: what was read back is not what was written"):
        export(model, tmp_path / "out", layout="qwen3")
    assert list(tmp_path.iterdir()) == []


def test_a_config_that_gives_other_logits_leaves_nothing_behind(written_by_transformers, tmp_path, monkeypatch):
    def spoilt(*arguments, **options):
        return transformers_config(*arguments, **options) | {"rms_norm_eps": 0.1}

    monkeypatch.setattr("rnd1_plugins.models.qwen3.transformers_config", spoilt)
    with pytest.raises(ModelError, match=r"what was read back gives logits \d.* from the model's"):
        export(trained(written_by_transformers["tied"][0]), tmp_path / "out", layout="qwen3")
    assert list(tmp_path.iterdir()) == []
