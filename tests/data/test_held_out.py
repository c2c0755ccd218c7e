from dataclasses import dataclass
from hashlib import sha256

import pytest

from rnd1lib.data import held_out
from rnd1lib.kinds import Document


@dataclass(frozen=True)
class Texts:
    texts: tuple[str, ...]

    def documents(self, stream, streams, cursor=None):
        for number in range(stream, len(self.texts), streams):
            yield Document(self.texts[number], number)


def texts(count):
    return tuple(f"document {number}" for number in range(count))


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (1, 0), (2, 1), (9, 4), (32, 16), (500, 16), (3000, 30)])
def test_one_percent_at_least_sixteen_and_at_most_half_are_held_out(count, expected):
    assert sum(map(held_out(Texts(texts(count))), texts(count))) == expected


def test_they_are_those_of_lowest_sha256():
    by_hash = sorted(texts(200), key=lambda text: sha256(text.encode()).hexdigest())
    held = held_out(Texts(texts(200)))
    assert [text for text in by_hash if held(text)] == by_hash[:16]


def test_the_order_of_the_documents_and_copies_play_no_part():
    held = held_out(Texts(texts(100)))
    again = held_out(Texts(tuple(reversed(texts(100))) + texts(50) + ("",) * 300))
    assert list(map(held, texts(100))) == list(map(again, texts(100)))
    assert not again("")


def test_ids_are_hashed_by_value():
    @dataclass(frozen=True)
    class Ids:
        def documents(self, stream, streams, cursor=None):
            yield from (Document(range(number, number + 3), number) for number in range(40))

    held = held_out(Ids())
    assert sum(held(range(number, number + 3)) for number in range(40)) == 16
    assert [held([n, n + 1, n + 2]) for n in range(40)] == [held(range(n, n + 3)) for n in range(40)]


def test_endless_data_are_cut_by_a_threshold_and_not_read():
    class Endless:
        endless = True

    held = held_out(Endless())
    share = sum(map(held, texts(20_000))) / 20_000
    assert 0.007 < share < 0.013
    lowest = min(texts(1000), key=lambda text: sha256(text.encode()).digest())
    assert held(lowest)
