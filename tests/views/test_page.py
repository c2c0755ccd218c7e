"""The page as a text: nothing escapes from it, nothing is asked of anyone, and it is small. See test_page_in_browser too."""

import json
import math
import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnd1lib.views.page import SCRIPTS, Page, page
from rnd1lib.views.trace import Given, Header, Line, Trace

MASK = 151_000


def header(**changed):
    facts = {
        "version": 1,
        "model": "a model",
        "tokenizer": "words",
        "vocabulary": "0" * 64,
        "sampler": "p2",
        "options": {"steps": 2},
        "seed": 0,
        "guidance": 0.0,
        "cache": None,
        "exact": True,
        "shift": 1,
        "mask_token_id": MASK,
        "end_token_ids": [],
        "canvases": [Given(0, [7, MASK])],
        "pieces": {7: "The", MASK: "<|mask|>"},
    }
    return Header(**(facts | changed))


def line(step, places, *, again=(), pieces=None):
    """places: (position, id, probability, entropy, top) each, all of row 0."""
    columns = [list(column) for column in zip(*places, strict=True)] or [[], [], [], [], []]
    return Line(step, [0] * len(places), *columns, list(again), pieces or {})


class Elements(HTMLParser):
    """The elements of a page as a browser that knows no better finds them: (tag, attributes, text)."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append([tag, dict(attrs), ""])
        self.open = True

    def handle_endtag(self, tag):
        self.open = False

    def handle_data(self, data):
        if self.open:
            self.found[-1][2] += data

    def texts(self, tag, **attributes):
        return [text for name, has, text in self.found if name == tag and attributes.items() <= has.items()]


def data(text):
    return json.loads(Elements(text).texts("script", id="traces")[0])


ATTACKS = ["</script>", "<!--<script>", "]]>", "\u2028", "&lt;", "$style", "__proto__", "\x00", "\ud800"]


@settings(max_examples=60)
@given(st.text() | st.sampled_from(ATTACKS))
def test_whatever_a_piece_or_a_name_says_it_stays_in_the_data(words):
    written = page([Trace(header(model=words), [line(0, [(1, 8, 0.5, 0.1, [])], pieces={8: words})])])
    plain = page([Trace(header(), [])])
    assert [tag for tag, _, _ in Elements(written).found] == [tag for tag, _, _ in Elements(plain).found]
    raw = re.search(r'id="traces">(.*?)</script>', written, re.DOTALL)[1]
    assert raw.isascii()
    assert not set("<>&") & set(raw)
    assert data(written)[0]["header"]["model"] == words
    assert [8, words] in data(written)[0]["tokens"]


def test_the_policy_lets_the_one_style_and_the_one_script_run_and_nothing_else():
    elements = Elements(page([]))
    (policy,) = [has["content"] for _, has, _ in elements.found if has.get("http-equiv") == "Content-Security-Policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    (style,), (script,) = elements.texts("style"), elements.texts("script", type="module")
    hashes = [f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'" for text in (style, script)]
    assert [rules["style-src"], rules["script-src"]] == hashes
    assert {rules["default-src"], rules["base-uri"], rules["form-action"]} == {"'none'"}
    assert "unsafe" not in policy
    assert len(elements.texts("script")) == 2


def test_the_page_names_no_address_and_no_handler_and_writes_no_markup():
    text = page([])
    elements = Elements(text).found
    assert len(elements) > 50
    assert not re.search(r"https?:|url\(|@import|//[a-z]|fetch\(|XMLHttp|WebSocket|sendBeacon|import\(", text)
    assert not [name for _, has, _ in elements for name in has if name in ("style", "src", "href") or name.startswith("on")]
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(|Function\(|\bstyle=", text)


def test_numbers_are_kept_to_a_thousandth_and_what_is_not_known_is_null():
    known, unknown = (0, 8, 0.01234, 2.71828, [(8, 0.5), (9, 1e-30)]), (1, 9, None, None, [])
    packed = data(page([Trace(header(), [line(0, [known, unknown], pieces={8: "a", 9: "b"})])]))[0]
    told = packed["lines"][0]
    assert math.exp(-told["surprisal"][0] / 1000) == pytest.approx(0.01234, rel=1e-3)
    assert told["surprisal"][1] is None
    assert told["entropy"] == [2718, None]
    assert [packed["tokens"][index] for index in told["best"][0][::2]] == [[8, "a"], [9, "b"]]
    assert 0 < math.exp(-told["best"][0][3] / 1000) < 1e-11
    assert told["best"][1] == []


def test_a_token_without_a_text_is_there_by_its_id():
    packed = data(page([Trace(header(pieces={}), [line(0, [(1, 8, 0.5, 0.1, [(9, 0.5)])])])]))[0]
    assert packed["tokens"] == [[7, ""], [MASK, ""], [8, ""], [9, ""]]


def test_256_steps_that_revise_256_tokens_are_under_a_megabyte():
    """As p2 does at temperature 1: every step takes back and fills in a good part of what it has."""
    random = Random(0)
    vocabulary = random.sample(range(MASK), 4000)
    lines = []
    for step in range(256):
        places = [
            (
                position,
                random.choice(vocabulary),
                random.random(),
                random.random() * 8,
                [(random.choice(vocabulary), random.random()) for _ in range(5)],
            )
            for position in random.sample(range(256), 44)
        ]
        lines.append(line(step, places, again=[(0, place[0]) for place in places]))
    pieces = {token: f" word{token}" for token in vocabulary}
    text = page([Trace(header(canvases=[Given(0, [MASK] * 256)], pieces=pieces), lines)])
    assert 500_000 < len(text.encode()) < 1_000_000


def luminance(colour):
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_every_text_can_be_read_and_the_shades_differ_in_lightness_alone_too(theme):
    (style,) = Elements(page([])).texts("style")
    colours = {name: pair[theme] for name, *pair in re.findall(r"--(\w+): light-dark\((#\w{6}), (#\w{6})\)", style)}
    shades = [colours[f"shade{index}"] for index in range(8)]
    assert min(contrast(colours["ink"], ground) for ground in [*shades, colours["page"], colours["panel"]]) >= 4.5
    assert min(contrast(colours[text], colours[on]) for text in ("soft", "accent") for on in ("page", "panel")) >= 4.5
    assert min(contrast(colours[mark], colours["page"]) for mark in ("mark", "again", "accent")) >= 3
    lightness = [luminance(shade) for shade in shades]
    assert lightness == sorted(lightness, reverse=theme == 0)
    assert len(set(lightness)) == 8


def test_the_scripts_are_shipped_each_with_a_line_that_says_what_it_is_for():
    (script,) = Elements(page([])).texts("script", type="module")
    assert len(re.findall(r"^// [A-Z].*\.$", script, re.MULTILINE)) >= len(SCRIPTS)


def test_a_page_has_an_end_and_says_what_is_not_on_it(monkeypatch):
    traces = [
        Trace(header(canvases=[Given(number, [7, MASK])]), [line(0, [(1, 7, 0.5, 0.1, [(7, 0.5)])])]) for number in range(9)
    ]
    monkeypatch.setattr("rnd1lib.views.page.LARGEST", 2 * len(page(traces[:2])) - 2 * len(page(traces[:1])) + 99)
    made = Page()
    for trace in traces:
        made.add(trace)
    assert (made.texts, made.left_out) == (2, 7)
    assert "The first 2 of 9 texts are shown" in str(made) and "The first 2 of 9" in made.shortened
    assert "texts are shown" not in page(traces[:2])


def test_the_first_trace_is_on_the_page_however_long_it_is_and_a_shorter_one_never_takes_the_place_of_one_before(monkeypatch):
    monkeypatch.setattr("rnd1lib.views.page.LARGEST", 1)
    long, short = Trace(header(canvases=[Given(0, [7] * 99)]), []), Trace(header(), [])
    made = Page()
    for trace in (long, short, short):
        made.add(trace)
    assert (made.texts, made.left_out) == (1, 2)
