import json

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rnd1_plugins.data.tokens import Tokens as TokensData

from rnd1lib.data.encoding import Tokens
from rnd1lib.data.shard_writer import ShardWriter
from rnd1lib.data.shards import HEADER, open_shards
from rnd1lib.errors import DataError


def written(folder, documents, *, vocab_size=1000, shard_tokens=50):
    """documents: lists of ids, or (ids, maskable, pad_to)."""
    with ShardWriter(folder, vocabulary="v", vocab_size=vocab_size, shard_tokens=shard_tokens) as writer:
        for document in documents:
            ids, maskable, pad_to = document if isinstance(document, tuple) else (document, [True] * len(document), None)
            writer.add(Tokens(torch.tensor(ids), torch.tensor(maskable, dtype=torch.bool), pad_to))
    return TokensData(path=str(folder))


def plain(document):
    return document.content.tolist(), document.maskable.tolist(), document.pad_to


IDS = st.lists(st.integers(0, 999), min_size=1, max_size=40)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    documents=st.lists(st.tuples(IDS, st.booleans(), st.sampled_from([None, "row", 1, 64])), min_size=1, max_size=30),
    streams=st.integers(1, 5),
    shard_tokens=st.sampled_from([1, 30, 10**6]),
)
def test_what_is_written_is_read_in_disjoint_streams_behind_any_cursor(tmp_path_factory, documents, streams, shard_tokens):
    folder = tmp_path_factory.mktemp("tokens") / "out"
    expected = [(ids, [all_of_it or place % 3 > 0 for place in range(len(ids))], pad) for ids, all_of_it, pad in documents]
    data = written(folder, expected, shard_tokens=shard_tokens)
    for stream in range(streams):
        read = list(data.documents(stream, streams))
        assert list(map(plain, read)) == expected[stream::streams]
        for place, document in enumerate(read):
            rest = data.documents(stream, streams, json.loads(json.dumps(document.cursor)))
            assert list(map(plain, rest)) == expected[stream::streams][place + 1 :]


@pytest.mark.parametrize(("vocab_size", "dtype"), [(65_536, torch.uint16), (65_537, torch.uint32)])
def test_ids_are_as_narrow_as_the_vocabulary_allows(tmp_path, vocab_size, dtype):
    data = written(tmp_path / "out", [[0, vocab_size - 1]], vocab_size=vocab_size)
    (document,) = data.documents(0, 1)
    assert document.content.dtype == dtype
    assert document.content.tolist() == [0, vocab_size - 1]


def test_the_header_counts_and_hashes_what_there_is(tmp_path):
    written(tmp_path / "out", [[1] * 30, [2] * 30, [3] * 5])
    header = open_shards(tmp_path / "out").header
    assert (header.documents, header.tokens, header.vocab_size, header.vocabulary) == (3, 65, 1000, "v")
    assert [(shard.documents, shard.tokens) for shard in header.shards] == [(2, 60), (1, 5)]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["00000.safetensors", "00001.safetensors", HEADER]


def test_a_folder_that_is_there_is_not_written_over(tmp_path):
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match="out: is there already"):
        written(tmp_path / "out", [[1]])


@pytest.mark.parametrize("error", [KeyboardInterrupt, DataError])
def test_an_interrupted_writer_leaves_nothing(tmp_path, error):
    writer = ShardWriter(tmp_path / "out", vocabulary="v", vocab_size=10, shard_tokens=1)
    with pytest.raises(error), writer:
        writer.add(Tokens(torch.tensor([1, 2]), torch.tensor([True, True])))
        assert list(writer.path.glob("*.safetensors"))
        raise error("Stop.")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(DataError, match="cannot be made: Not a directory"):
        written(tmp_path / "file" / "out", [[1]])


def test_nothing_to_write_is_an_error(tmp_path):
    with pytest.raises(DataError, match="no document to write"):
        written(tmp_path / "out", [])
    assert list(tmp_path.iterdir()) == []


def test_a_resume_on_other_tokens_is_refused(tmp_path):
    first = next(written(tmp_path / "a", [[1], [2]]).documents(0, 1))
    with pytest.raises(DataError, match="holds other tokens than when the run was saved"):
        next(written(tmp_path / "b", [[1], [3]]).documents(0, 1, first.cursor))


def test_no_folder_and_a_folder_without_a_header_are_named(tmp_path):
    for folder in (tmp_path / "none", tmp_path):
        with pytest.raises(DataError, match=f"{folder}: holds no {HEADER}"):
            next(TokensData(path=str(folder)).documents(0, 1))
    with pytest.raises(ValueError, match="path: '' names no folder"):
        TokensData(path="")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"format": 2}, "format is not 1"),
        ({"shards": [{"file": "../a", "documents": 1, "tokens": 1, "sha256": ""}]}, "format is not 1"),
        ({"shards": [{"file": "a"}]}, "no header of shards"),
        ({"more": 1}, "no header of shards"),
        ({"shards": [{"file": "00000.safetensors", "documents": 2, "tokens": 3, "sha256": ""}]}, "is damaged, its checksum"),
        ({"shards": [{"file": "none", "documents": 2, "tokens": 9, "sha256": ""}]}, "no whole shard"),
    ],
)
def test_a_header_that_does_not_fit_is_refused(tmp_path, change, what):
    data = written(tmp_path / "out", [[1, 2], [3]])
    header = json.loads((tmp_path / "out" / HEADER).read_text())
    (tmp_path / "out" / HEADER).write_text(json.dumps(header | change))
    with pytest.raises(DataError, match=what):
        next(data.documents(0, 1))


def test_a_header_that_counts_otherwise_than_its_shard_is_refused(tmp_path):
    data = written(tmp_path / "out", [[1, 2], [3]])
    header = json.loads((tmp_path / "out" / HEADER).read_text())
    header["shards"][0]["tokens"] = 9
    (tmp_path / "out" / HEADER).write_text(json.dumps(header))
    with pytest.raises(DataError, match="is not the shard that"):
        next(data.documents(0, 1))


def test_a_flipped_bit_of_a_shard_is_told(tmp_path):
    data = written(tmp_path / "out", [[1, 2, 3]] * 9)
    shard = tmp_path / "out" / "00000.safetensors"
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    with pytest.raises(DataError, match=r"00000\.safetensors: is damaged, its checksum is not that of what was written"):
        next(data.documents(0, 1))


def test_a_cut_shard_is_refused_in_a_sentence(tmp_path):
    data = written(tmp_path / "out", [[1, 2, 3]] * 9)
    shard = tmp_path / "out" / "00000.safetensors"
    whole = shard.read_bytes()
    for kept in (0, 7, 40, len(whole) - 1):
        shard.write_bytes(whole[:kept])
        with pytest.raises(DataError, match=r"00000\.safetensors: is damaged, its checksum is not"):
            next(data.documents(0, 1))
