from dataclasses import dataclass
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rnd1_plugins.data.mix import Mix

from rnd1lib import build
from rnd1lib.data import held_out
from rnd1lib.errors import DataError
from rnd1lib.kinds import Conversation, Document, Skipped
from rnd1lib.recipe import read_recipe


@dataclass(frozen=True)
class Given:
    """The contents that are given; None is a broken document."""

    contents: tuple
    endless: bool = False

    def documents(self, stream, streams, cursor=None):
        for number in range(stream if cursor is None else cursor + streams, len(self.contents), streams):
            content = self.contents[number]
            yield Skipped(f"{number} is broken.", number) if content is None else Document(content, number)


def texts(name, *lengths):
    return Given(tuple(name * length for length in lengths))


def read(mix, most=10**6, stream=0, streams=1, cursor=None):
    return list(islice(mix.documents(stream, streams, cursor), most))


def shares(documents):
    sizes = {}
    for document in documents:
        sizes[document.source] = sizes.get(document.source, 0) + len(document.content)
    return {name: size / sum(sizes.values()) for name, size in sizes.items()}


@settings(deadline=None, max_examples=50)
@given(
    lengths=st.lists(st.lists(st.integers(1, 500), min_size=1, max_size=8), min_size=2, max_size=4),
    weights=st.lists(st.integers(1, 20), min_size=4, max_size=4),
    most=st.integers(1, 300),
)
def test_at_any_place_each_source_is_within_a_document_of_its_weight(lengths, weights, most):
    names = "abcd"[: len(lengths)]
    sources = {name: Given(tuple(name * length for length in each)) for name, each in zip(names, lengths, strict=True)}
    share = dict(zip(names, (weight / sum(weights[: len(names)]) for weight in weights), strict=False))
    documents = read(Mix(sources=sources, weights=share), most)
    sizes = {name: sum(len(each.content) for each in documents if each.source == name) for name in names}
    longest = max(max(each) / share[name] for name, each in zip(names, lengths, strict=True))
    spread = [sizes[name] / share[name] for name in names]
    assert max(spread) - min(spread) <= longest


def test_shares_are_of_the_text_and_not_of_the_documents():
    mix = Mix(sources={"long": texts("a", *[900] * 50), "short": texts("b", *[30] * 800)}, weights={"long": 3, "short": 1})
    assert shares(read(mix, 400)) == pytest.approx({"long": 0.75, "short": 0.25}, abs=0.03)


def test_without_weights_the_parts_are_equal_and_a_long_document_waits_until_it_is_due():
    mix = Mix(sources={"book": texts("a", 1000), "lines": texts("b", *[10] * 500)})
    documents = read(mix, 150)
    assert [number for number, document in enumerate(documents) if document.source == "book"] == [50]


def test_a_source_that_ends_starts_again_until_each_has_been_read_once():
    mix = Mix(sources={"few": texts("a", 10, 20), "many": texts("b", *[10] * 9)})
    documents = read(mix)
    assert [document.content for document in documents if document.source == "many"] == ["b" * 10] * 9
    few = [len(document.content) for document in documents if document.source == "few"]
    assert few == ([10, 20] * 4)[: len(few)] and len(few) >= 5


def test_bytes_ids_and_what_was_said_are_measured_alike():
    said = Conversation(({"role": "user", "content": "aa"}, {"role": "assistant", "content": "bb"}))
    sources = {"ids": Given(((1,),) * 40), "text": Given(("äö",) * 40), "chat": Given((said,) * 40)}
    assert [document.source for document in read(Mix(sources=sources), 6)] == ["ids", "text", "chat"] * 2


def test_a_broken_document_is_told_with_its_source_and_read_over():
    mix = Mix(sources={"a": Given((None, "x", None)), "b": texts("b", 1, 1)})
    items = read(mix)
    assert [item.reason for item in items if isinstance(item, Skipped)][:2] == ["a: 0 is broken.", "a: 2 is broken."]
    for place, item in enumerate(items):
        assert read(mix, cursor=item.cursor) == items[place + 1 :]


def test_a_source_without_documents_is_named_and_its_streams_are_empty():
    mix = Mix(sources={"full": texts("a", *[5] * 9), "none": Given((None,))})
    with pytest.raises(DataError, match="mix: the source 'none' has no document that can be read"):
        [item for item in read(mix) if isinstance(item, Document)]
    scarce = Mix(sources={"full": texts("a", *[5] * 9), "two": texts("b", 5, 5)})
    assert read(scarce, stream=2, streams=3) == []
    assert read(scarce, stream=1, streams=3) != []


def test_a_mixture_in_a_mixture_keeps_its_share_and_names_its_sources():
    inner = Mix(sources={"x": texts("x", *[10] * 90), "y": texts("y", *[10] * 90)}, weights={"x": 3, "y": 1})
    mix = Mix(sources={"inner": inner, "z": texts("z", *[10] * 90)}, weights={"inner": 0.8, "z": 0.2})
    assert mix.source_names == ("inner/x", "inner/y", "z")
    assert shares(read(mix, 100)) == pytest.approx({"inner/x": 0.6, "inner/y": 0.2, "z": 0.2}, abs=0.02)


def test_it_is_endless_if_one_of_its_sources_is():
    assert not Mix(sources={"a": texts("a", 1)}).endless
    assert Mix(sources={"a": texts("a", 1), "b": Given(("b",), endless=True)}).endless


def test_documents_are_held_out_of_every_source_though_some_are_read_several_times():
    mix = Mix(sources={"a": Given(tuple(f"a{n}" for n in range(20))), "b": Given(tuple(f"b{n}" for n in range(100)))})
    held = held_out(mix)
    assert sum(held(f"{name}{n}") for name, count in (("a", 20), ("b", 100)) for n in range(count)) == 16


@pytest.mark.parametrize(
    ("weights", "what"),
    [
        ({"a": 1.0}, "weights: give every source its weight, or none of them. Without: b."),
        ({"a": 1.0, "b": 0.0}, "weights: b: 0.0 is not a positive number."),
        ({"a": 1.0, "b": float("inf")}, "weights: b: inf is not a positive number."),
        ({"a": 1.0, "b": 1.0, "c": 1.0}, "weights: c: there is no such source. Sources: a, b."),
    ],
)
def test_weights_that_make_no_shares_are_refused(weights, what):
    with pytest.raises(ValueError) as error:
        Mix(sources={"a": texts("a", 1), "b": texts("b", 1)}, weights=weights)
    assert str(error.value) == what


def test_in_a_recipe_a_weight_stands_beside_use():
    entry = {"use": "jsonl", "path": "x.jsonl"}
    mix = build("data", "mix", sources={"a": entry | {"weight": 3}, "b": entry | {"weight": "0.5"}})
    assert mix.weights == {"a": 3.0, "b": 0.5}
    assert build("data", "mix", sources={"a": "python_docs"}).weights == {}
    with pytest.raises(ValueError, match=r"data 'mix': sources\.a\.weight: 'much' is no number"):
        build("data", "mix", sources={"a": entry | {"weight": "much"}})
    with pytest.raises(ValueError, match=r"sources\.a: data 'jsonl': wight: no such option"):
        build("data", "mix", sources={"a": entry | {"wight": 1}})
    with pytest.raises(ValueError, match="sources: there is none"):
        build("data", "mix", sources={})


def test_a_weight_stays_when_a_child_recipe_uses_another_source(tmp_path):
    (tmp_path / "mixed.yaml").write_text(
        "extends: tiny/moe\ndata: {use: mix, sources: {a: {use: python_docs, weight: 2}, b: {use: text, path: x, weight: 1}}}\n"
    )
    recipe = read_recipe(tmp_path / "mixed.yaml", ["data.sources.b.use=python_docs"])
    assert recipe.tree["data"]["sources"] == {
        "a": {"use": "python_docs", "weight": 2},
        "b": {"use": "python_docs", "weight": 1},
    }
