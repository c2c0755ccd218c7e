"""A GGUF file comes from outside: whatever is wrong with it is a sentence."""

import struct
import sys

import gguf
import numpy as np
import pytest
from gguf_files import write
from hypothesis import given, settings
from hypothesis import strategies as st

import rnd1lib
from rnd1lib.errors import ModelError
from rnd1lib.models.origins.gguf_file import open_gguf
from rnd1lib.models.tokens.loading import load_tokenizer

HEADER = 6000  # bytes of the small file that are no tensor's


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "whole.gguf"
    write(path)
    return path


def read_all(path):
    opened = open_gguf(path)
    load_tokenizer(path)
    return [opened.tensor(name) for name in list(opened.shapes)[:3]]


@settings(max_examples=40)
@given(length=st.integers(0, HEADER) | st.integers(HEADER, 10**6))
def test_a_file_that_is_cut_off_anywhere_is_a_sentence(length, whole):
    content = whole.read_bytes()
    cut = whole.with_name("cut.gguf")
    cut.write_bytes(content[: min(length, len(content) - 1)])
    with pytest.raises(ModelError, match=r"cut\.gguf: "):
        open_gguf(cut)


@settings(max_examples=150)
@given(at=st.integers(0, HEADER), junk=st.binary(min_size=1, max_size=9))
def test_bytes_of_the_header_that_are_spoilt_are_a_sentence_or_harmless(at, junk, whole):
    content = bytearray(whole.read_bytes())
    content[at : at + len(junk)] = junk
    spoilt = whole.with_name("spoilt.gguf")
    spoilt.write_bytes(content)
    try:
        read_all(spoilt)
    except ModelError as error:
        assert "spoilt.gguf" in str(error)


def test_absurd_counts_are_refused_at_once(tmp_path):
    huge = 2**62
    text = struct.pack("<Q", 4) + b"a.bc"
    for content, sentence in {
        struct.pack("<IQQ", 3, huge, 0): "speaks of 4611686018427387904 tensors",
        struct.pack("<IQQ", 3, 0, huge): "speaks of 4611686018427387904 values",
        struct.pack("<IQQ", 3, 0, 1) + struct.pack("<Q", huge): "ends within its header",
        struct.pack("<IQQ", 3, 0, 1) + text + struct.pack("<IIQ", 9, 0, huge): "ends within its header",
        struct.pack("<IQQ", 3, 0, 1) + text + struct.pack("<IIQ", 9, 8, huge): "texts of an array",
        struct.pack("<IQQ", 3, 0, 1) + text + struct.pack("<IIQ", 9, 9, 1): "array of type 9",
        struct.pack("<IQQ", 3, 0, 1) + text + struct.pack("<I", 77): "unknown type 77",
        struct.pack("<IQQ", 3, 1, 0) + text + struct.pack("<I", 9999): "a tensor of 9999 dimensions",
        struct.pack("<IQQ", 1, 0, 0): "is GGUF version 1; versions 2 and 3 are read",
        struct.pack(">IQQ", 3, 0, 0): "big-endian",
    }.items():
        (tmp_path / "x.gguf").write_bytes(b"GGUF" + content + bytes(40))
        with pytest.raises(ModelError, match=sentence):
            open_gguf(tmp_path / "x.gguf")


def test_what_is_no_gguf_file_says_what_it_begins_with(tmp_path):
    (tmp_path / "x.gguf").write_bytes(b"PK\x03\x04" + bytes(60))
    with pytest.raises(ModelError, match=r"x\.gguf: is no GGUF file, it begins with b'PK"):
        rnd1lib.load_model(tmp_path / "x.gguf")
    (tmp_path / "x.gguf").write_bytes(b"")
    with pytest.raises(ModelError, match="is no GGUF file, it has 0 bytes"):
        rnd1lib.load_model(tmp_path / "x.gguf")


def said(path, architecture="llama", **values):
    """A file of a table alone, with these values."""
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in values.items():
        writer.add_key_value(key.replace("__", "."), value, *kind_of(value))
    writer.add_tensor("token_embd.weight", np.zeros((8, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def kind_of(value):
    kind = gguf.GGUFValueType.get_type(value)
    return (kind, gguf.GGUFValueType.get_type(value[0])) if kind == gguf.GGUFValueType.ARRAY else (kind,)


NEEDED = {"context_length": 8, "block_count": 1, "embedding_length": 32, "feed_forward_length": 8, "attention__head_count": 2}


@pytest.mark.parametrize(
    ("architecture", "values", "sentence"),
    [
        ("gemma3", {}, r"the architecture 'gemma3' is not supported\. Supported: llama, qwen2, qwen3, qwen3moe\."),
        ("llama", {"llama__block_count": 0}, r"llama\.block_count: 0 is no positive whole number"),
        ("llama", {"llama__block_count": "two"}, r"llama\.block_count: 'two' is no positive whole number"),
        ("llama", {"llama__attention__head_count_kv": [1, 2]}, r"head_count_kv: \[1, 2\] is no positive whole number"),
        ("llama", {"llama__rope__freq_base": -1.0}, r"rope\.freq_base: -1\.0 is no positive number"),
        ("llama", {"tokenizer__ggml__eos_token_id": 8}, r"eos_token_id: 8 is no token of a vocabulary of 8"),
        ("llama", {"split__count": 3}, r"is one of 3 parts of a model; merge them first"),
        ("qwen3moe", {}, r"qwen3moe\.expert_count: None is no positive whole number"),
    ],
)
def test_values_that_no_network_can_have_are_named(architecture, values, sentence, tmp_path):
    needed = {f"{architecture}__{key}": value for key, value in NEEDED.items()}
    with pytest.raises(ModelError, match=sentence):
        open_gguf(said(tmp_path / "x.gguf", architecture, **(needed | values)))


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"rope__scaling__type": "yarn", "rope__scaling__factor": 4.0}, "rope_scaling: 'yarn' is not built"),
        ({"rope__dimension_count": 8, "attention__key_length": 16}, r"partial_rotary_factor: 0\.5 is not built"),
    ],
)
def test_a_rotation_that_is_not_built_is_refused(values, sentence, tmp_path):
    values = {f"llama__{key}": value for key, value in {**NEEDED, **values}.items()}
    with pytest.raises(ModelError, match=sentence):
        rnd1lib.load_model(said(tmp_path / "x.gguf", **values))


def test_without_the_package_the_extra_is_named(whole, monkeypatch):
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(
        ModelError, match=r"whole\.gguf: GGUF files are read with the package gguf: pip install 'rnd1lib\[gguf\]'"
    ):
        rnd1lib.load_model(whole)


def test_a_name_that_is_nearly_a_file_is_asked_about(whole):
    with pytest.raises(ModelError, match=r"no such file\. Did you mean .*whole\.gguf\?"):
        rnd1lib.load_model(whole.with_name("whle.gguf"))


def test_several_files_in_a_folder_are_listed_and_one_alone_is_meant(whole, tmp_path):
    (tmp_path / "a.gguf").hardlink_to(whole)
    assert rnd1lib.load_model(tmp_path).vocab_size == open_gguf(whole).config["vocab_size"]
    (tmp_path / "b.gguf").hardlink_to(whole)
    with pytest.raises(ModelError, match=r"holds 2 GGUF files \(a\.gguf, b\.gguf\)\. Name one of them: .*a\.gguf"):
        rnd1lib.load_model(tmp_path)
