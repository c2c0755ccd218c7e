import json
import shutil

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file

from rnd1lib.errors import ModelError
from rnd1lib.models.config.dimensions import dimensions
from rnd1lib.models.config.tensor_names import tensor_sources
from rnd1lib.models.origins.folder import open_folder


@pytest.fixture
def copy(written_by_transformers, tmp_path):
    """A folder that a test may spoil."""
    folder = tmp_path / "model"
    shutil.copytree(written_by_transformers["mixed"][0], folder)
    return folder


def rewrite(folder, change):
    tensors = load_file(folder / "model.safetensors")
    change(tensors)
    save_file(tensors, folder / "model.safetensors")


def shapes_of(folder):
    return {name: tuple(open_folder(folder).tensor(name).shape) for name in open_folder(folder).files}


def test_the_names_we_expect_are_the_names_transformers_writes(written_by_transformers):
    for shape, (path, _) in written_by_transformers.items():
        folder = open_folder(path)
        sources = tensor_sources(dimensions(folder.config, qk_norm=True))
        assert {name for source in sources for name in source.tensors} == set(folder.files), shape


def test_everything_that_is_wrong_with_the_tensors_is_said_at_once(copy):
    expected = shapes_of(copy)

    def spoil(tensors):
        del tensors["model.norm.weight"]
        tensors["model.layers.7.extra"] = torch.zeros(1)
        tensors["lm_head.weight"] = torch.zeros(3, 4)

    rewrite(copy, spoil)
    assert open_folder(copy).problems(expected) == [
        "model.norm.weight: missing.",
        "model.layers.7.extra: unexpected.",
        "lm_head.weight: has shape [3, 4], config.json asks for [320, 48].",
    ]


@pytest.mark.parametrize(("dtype", "word"), [(torch.int8, "I8"), (torch.float8_e4m3fn, "F8_E4M3")])
def test_weights_of_a_kind_that_is_not_read_are_named(dtype, word, copy):
    expected = shapes_of(copy)
    rewrite(copy, lambda tensors: tensors.update({"model.norm.weight": tensors["model.norm.weight"].to(dtype)}))
    (problem,) = open_folder(copy).problems(expected)
    assert problem == f"model.norm.weight: is {word}, and weights are F64, F32, F16, BF16. Use the unquantized folder."


@pytest.mark.parametrize("wide", [None, "model.norm.weight"])
def test_a_folder_is_as_wide_as_its_widest_tensor(wide, copy):
    rewrite(copy, lambda tensors: tensors.update({name: each.bfloat16() for name, each in tensors.items() if name != wide}))
    assert open_folder(copy).dtype == (torch.float32 if wide else torch.bfloat16)


def test_every_tensor_of_a_layer_that_is_missing_is_named(copy):
    expected = shapes_of(copy)
    layer = [name for name in expected if name.startswith("model.layers.2.")]
    rewrite(copy, lambda tensors: [tensors.pop(name) for name in layer])
    assert len(layer) == 27 and sorted(open_folder(copy).problems(expected)) == sorted(f"{name}: missing." for name in layer)


def test_long_lists_are_folded_each_by_itself(copy):
    rewrite(copy, lambda tensors: tensors.update({f"old.{number}": torch.zeros(1) for number in range(101)}))
    expected = {name: shape for name, shape in shapes_of(copy).items() if not name.startswith("old.")}
    problems = open_folder(copy).problems(expected | {f"new.{number}": (1,) for number in range(100)})
    assert problems == [*(f"new.{number}: missing." for number in range(100)), "old.{0-100}: unexpected."]


def test_experts_that_are_there_apart_and_fused_are_told(copy):
    expected, name = shapes_of(copy), "model.layers.0.mlp.experts.down_proj"
    rewrite(copy, lambda tensors: tensors.update({name: torch.zeros(6, 48, 24)}))
    assert open_folder(copy).problems(expected) == [f"{name}: unexpected."]


def test_a_tied_folder_may_hold_its_head_and_old_rope_buffers(copy):
    rewrite(copy, lambda tensors: tensors.update({"model.layers.0.self_attn.rotary_emb.inv_freq": torch.zeros(8)}))
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"tie_word_embeddings": True}))
    expected = shapes_of(copy)
    del expected["lm_head.weight"], expected["model.layers.0.self_attn.rotary_emb.inv_freq"]
    assert open_folder(copy).problems(expected) == []


def shard(folder):
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    weight_map = {}
    for number, part in enumerate((names[::2], names[1::2])):
        save_file({name: tensors[name] for name in part}, folder / f"part-{number}.safetensors")
        weight_map |= dict.fromkeys(part, f"part-{number}.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    return tensors, weight_map


def test_shards_are_read_with_an_index_and_without(copy):
    tensors, _ = shard(copy)
    for _ in range(2):
        folder = open_folder(copy)
        assert set(folder.files) == set(tensors)
        assert all(torch.equal(folder.tensor(name), tensor) for name, tensor in tensors.items())
        (copy / "model.safetensors.index.json").unlink(missing_ok=True)


def test_an_index_that_lies_is_told(copy):
    _, weight_map = shard(copy)
    last = "lm_head.weight"
    moved = "part-0.safetensors" if weight_map[last] == "part-1.safetensors" else "part-1.safetensors"
    (copy / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map | {last: moved, "x": moved}}))
    with pytest.raises(ModelError) as told:
        _ = open_folder(copy).files
    assert [line.partition("json: ")[2] for line in str(told.value).splitlines()] == [
        f"{name}: not in {moved}, where the index says it is." for name in (last, "x")
    ]


@pytest.mark.parametrize("name", ["../model/part-0.safetensors", "/etc/passwd", "gone.safetensors"])
def test_an_index_that_leads_elsewhere_is_refused(copy, name):
    _, weight_map = shard(copy)
    (copy / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map | {"x": name}}))
    with pytest.raises(ModelError, match=r"no file of this folder|is missing, the index names it"):
        _ = open_folder(copy).files


def test_a_tensor_in_two_files_is_refused(copy):
    tensors, _ = shard(copy)
    (copy / "model.safetensors.index.json").unlink()
    save_file({"model.norm.weight": tensors["model.norm.weight"]}, copy / "part-9.safetensors")
    with pytest.raises(ModelError, match=r"model\.norm\.weight is in part-\d\.safetensors and in part-9"):
        _ = open_folder(copy).files


def test_pickles_alone_are_refused_unopened(copy):
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"only pickles \(pytorch_model\.bin\)"):
        _ = open_folder(copy).files


def test_code_in_a_folder_is_never_run(copy, tmp_path):
    (copy / "modeling_evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(config | {"auto_map": {"AutoModel": "modeling_evil.Evil"}}))
    assert open_folder(copy).problems(shapes_of(copy)) == []
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("text", ["{", "[]", "\x00", '{"a": ' + "[" * 100_000])
def test_a_config_that_is_no_object_is_a_sentence(copy, text):
    (copy / "config.json").write_text(text)
    with pytest.raises(ModelError, match=r"config\.json: (not valid JSON|holds a list)"):
        open_folder(copy)


def test_a_config_larger_than_any_is_not_read(copy):
    with (copy / "config.json").open("ab") as file:
        file.truncate(65 << 20)
    with pytest.raises(ModelError, match=r"config\.json: larger than 64 MiB"):
        open_folder(copy)


@pytest.mark.parametrize("size", [0, 4, 9, 2000])
def test_a_truncated_safetensors_file_is_named(copy, size):
    file = copy / "model.safetensors"
    file.write_bytes(file.read_bytes()[:size])
    with pytest.raises(ModelError, match=r"model\.safetensors: not a whole safetensors file"):
        _ = open_folder(copy).files


def test_a_path_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(ModelError, match="no such folder"):
        open_folder(tmp_path / "nothing" / "here")
    with pytest.raises(ModelError, match=r"holds no config\.json"):
        open_folder(tmp_path)


@pytest.mark.parametrize("name", ["runs/tini", "models/tini", "no/such/folder", "./models/tini", "~nobody/x", "gpt2", "a b/c"])
def test_what_looks_like_a_path_is_never_asked_of_the_hub(name, monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", None)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models" / "tiny").mkdir(parents=True)
    with pytest.raises(ModelError, match="no such folder") as caught:
        open_folder(name)
    assert ("Did you mean models/tiny?" in str(caught.value)) is ("models/tini" in name)


def test_a_file_is_no_model_folder(tmp_path):
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(ModelError, match="is a file; name the folder"):
        open_folder(tmp_path / "model.safetensors")


def test_a_hub_name_that_cannot_be_fetched_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(ModelError, match="could not be fetched from the Hugging Face Hub") as caught:
        open_folder("nobody/nothing")
    assert "\n" not in str(caught.value)
