"""The page opens from disk, asks nothing of anyone, and shows a model's text as text."""

from html.parser import HTMLParser

import pytest

from rnd1lib.views.demo_page import Arm, demo_page, running_mean

ARMS = {
    "from the AR model": Arm([8.0, 6.5, 6.0], [(0, 8.25), (3, 6.125)]),
    "from <random> weights": Arm([9.0, 8.0, 7.5], [(0, 9.5), (3, 7.75)]),
}
WHY = "As many steps < from both."
ATTACK = "</pre><script>alert(1)</script><img src=x onerror=alert(1)>&amp;"


class Reader(HTMLParser):
    """Collects what a browser would fetch or run, and the text."""

    def __init__(self):
        super().__init__()
        self.tags, self.references, self.handlers, self.text = [], [], [], ""

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.references += [value for name, value in attributes if name in {"src", "href", "xlink:href", "data", "action"}]
        self.handlers += [name for name, _ in attributes if name.startswith("on")]

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def page():
    reader = Reader()
    reader.feed(demo_page(WHY, ARMS, {"prompt": ATTACK}, [f"rnd1 sample '{ATTACK}'"]))
    return reader


def test_nothing_is_fetched_and_nothing_runs(page):
    assert not page.handlers
    assert not {"script", "img", "link", "iframe", "object", "base", "form"} & set(page.tags)
    assert page.references, "the curves refer to their own markers"
    assert all(reference.startswith("#") for reference in page.references)


def test_what_a_model_wrote_is_shown_as_text(page):
    assert page.text.count(ATTACK) == 2


def test_what_is_compared_is_said(page):
    assert page.text.count(WHY) == 1


def test_both_arms_have_a_curve_and_their_bounds(page):
    assert page.tags.count("svg") == 1
    for name, arm in ARMS.items():
        assert page.text.count(name) == 2, "in the legend and in the table"
        assert f"{arm.held_out[0][1]:.2f}" in page.text
        assert f"{arm.held_out[-1][1]:.2f}" in page.text


def test_the_same_figures_give_the_same_page():
    assert demo_page(WHY, ARMS, {}, []) == demo_page(WHY, ARMS, {}, [])


def test_a_running_mean_looks_back_ten_steps():
    assert running_mean([float(n) for n in range(12)]) == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.5, 6.5]
