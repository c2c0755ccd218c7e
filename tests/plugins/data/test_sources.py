"""What every source of documents promises: disjoint streams, a place behind every document, the same rows on any ranks."""

import json
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rnd1_plugins.data.hub import Hub
from rnd1_plugins.data.jsonl import Jsonl
from rnd1_plugins.data.mix import Mix
from rnd1_plugins.data.parquet import Parquet
from rnd1_plugins.data.text import Text

from rnd1lib.data import Faults, PackedRows, merge_states
from rnd1lib.kinds import Data, Document

TEXTS = [f"{number} " * (1 + number * 7 % 23) for number in range(60)]
BROKEN = {"jsonl": 17, "parquet": 23, "hub": 31}


def write_jsonl(path, texts):
    path.write_text("".join(f"{json.dumps({'text': text})}\n" for text in texts))


def write_parquet(path, texts, rows):
    pq.write_table(pa.table({"text": pa.array(texts, pa.string())}), path, row_group_size=rows)


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A source of each kind with the same texts; one document of those that can be is broken."""
    folder = tmp_path_factory.mktemp("sources")
    for name in ("text", "hub/data"):
        (folder / name).mkdir(parents=True)
    for number, text in enumerate(TEXTS):
        (folder / f"text/{number:02}.txt").write_text(text)
    broken = {name: [None if number == place else text for number, text in enumerate(TEXTS)] for name, place in BROKEN.items()}
    for part in range(3):
        write_jsonl(folder / f"{part}.jsonl", broken["jsonl"][part::3])
        write_parquet(folder / f"{part}.parquet", broken["parquet"][part::3], rows=3)
        write_parquet(folder / f"hub/data/{part}.parquet", broken["hub"][part::3], rows=7)
    (folder / "hub/README.md").write_text("---\nconfigs: [{config_name: default, data_files: data/*.parquet}]\n---\n# Texts\n")
    made = {
        "text": Text(path=f"{folder}/text/*.txt"),
        "jsonl": Jsonl(path=f"{folder}/*.jsonl"),
        "parquet": Parquet(path=f"{folder}/*.parquet"),
        "hub": Hub(path=str(folder / "hub")),
    }
    mixed = Mix(sources={"lines": made["jsonl"], "files": made["text"]}, weights={"lines": 3.0, "files": 1.0})
    return made | {"mix": mixed, "nested": Mix(sources={"inner": mixed, "columns": made["parquet"]})}


def kept(items):
    return [item.content for item in items if isinstance(item, Document)]


NAMES = ["text", "jsonl", "parquet", "hub", "mix", "nested"]
function_scoped = settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("name", ["text", "jsonl", "parquet", "hub"])
@pytest.mark.parametrize("streams", [1, 2, 3, 5, 8])
def test_streams_are_disjoint_and_complete(sources, name, streams):
    items = [item for stream in range(streams) for item in sources[name].documents(stream, streams)]
    assert isinstance(sources[name], Data)
    assert sorted(kept(items)) == sorted(text for number, text in enumerate(TEXTS) if number != BROKEN.get(name))
    assert len(items) == len(TEXTS)


@pytest.mark.parametrize("name", NAMES)
@function_scoped
@given(st.data())
def test_an_iterator_made_with_a_cursor_goes_on_behind_its_document(sources, name, drawn):
    streams = drawn.draw(st.integers(1, 6))
    stream = drawn.draw(st.integers(0, streams - 1))
    items = list(sources[name].documents(stream, streams))
    place = drawn.draw(st.integers(0, len(items) - 1))
    text = json.dumps(items[place].cursor)
    assert list(sources[name].documents(stream, streams, json.loads(text))) == items[place + 1 :]
    assert len(text) < 2000


@dataclass(frozen=True)
class Uncounted:
    """A source of which the core takes as many streams as are asked for."""

    data: Data
    endless = True

    def documents(self, stream, streams, cursor=None):
        return self.data.documents(stream, streams, cursor)

    @property
    def source_names(self):
        return getattr(self.data, "source_names", ())


def packed(data, streams=4):
    return PackedRows(
        Uncounted(data),
        lambda text: [ord(letter) for letter in text],
        sequence_length=48,
        streams=streams,
        seed=0,
        shift=1,
        start_token_id=201,
        end_token_id=202,
        pad_token_id=203,
        faults=Faults(0.1),
    )


def tokens_by_source(rows):
    return dict(zip(rows.source_names, rows.take_tokens_by_source(), strict=True))


@pytest.mark.parametrize("name", NAMES)
@settings(function_scoped, max_examples=5)
@given(stop=st.integers(1, 8), ranks=st.sampled_from([1, 2, 4]), resumed_ranks=st.sampled_from([1, 2, 4]))
def test_any_ranks_see_the_same_rows_and_count_the_same_after_a_resume_in_the_middle(sources, name, stop, ranks, resumed_ranks):
    whole, shares = packed(sources[name]), [packed(sources[name]) for _ in range(ranks)]
    for step in range(stop + 4):
        if step == stop:
            state = json.loads(json.dumps(merge_states([share.state_dict() for share in shares])))
            shares = [packed(sources[name]) for _ in range(resumed_ranks)]
            for share in shares:
                share.load_state_dict(state)
        size = 8 // len(shares)
        parts = [share.batch(step * 8 + rank * size, size) for rank, share in enumerate(shares)]
        together = [torch.cat(tensors) for tensors in zip(*parts, strict=True)]
        assert all(torch.equal(*pair) for pair in zip(together, whole.batch(step * 8, 8), strict=True))
        counts = torch.stack([share.counts() for share in shares]).amax(0)
        assert torch.equal(counts, whole.counts())
        by_source = [tokens_by_source(share) for share in shares]
        assert {name: sum(each[name] for each in by_source) for name in whole.source_names} == tokens_by_source(whole)


def test_a_fingerprint_is_of_the_files_and_of_a_mixture_that_of_its_sources(tmp_path):
    files = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    for file in files:
        write_jsonl(file, ["x" * 200_000, "y"])
    data = Jsonl(path=f"{tmp_path}/*.jsonl")
    first = data.fingerprint()
    assert list(first) == [str(file) for file in files]
    assert Mix(sources={"n": data, "h": Hub(path="x")}).fingerprint() == {f"n: {name}": text for name, text in first.items()}
    write_jsonl(files[1], ["x" * 200_000, "z"])
    changed = data.fingerprint()
    assert changed[str(files[0])] == first[str(files[0])] and changed[str(files[1])] != first[str(files[1])]
