"""A generation in a notebook: one fragment of plain HTML, with every token, and nothing of a text becomes markup."""

from html.parser import HTMLParser

from rnd1_plugins.samplers.llada import Llada
from rnd1_plugins.samplers.p2 import P2

from rnd1lib.sampling.generation import generate, infill
from rnd1lib.testing.denoiser import Table
from rnd1lib.views import Recorder
from rnd1lib.views.notebook import MOST_CELLS, fragment


class Page(HTMLParser):
    """Which tags and attributes there are, and the text of the blocks."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.titles, self.open, self.texts = set(), set(), [], [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}
        self.titles += [value for name, value in attributes if name == "title"]
        self.open.append(tag)
        if tag == "div" and ("dir", "auto") in attributes:
            self.texts.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.texts and data.strip():
            self.texts[-1] += data


class Wicked:
    """A tokenizer whose words are markup."""

    def encode(self, text):
        return [ord(letter) % 20 for letter in text]

    def decode(self, ids):
        return "".join(f'</div><img src=x onerror="alert({token})">&amp;\'\x1b' for token in ids)


def test_every_token_of_every_text_is_there_with_its_step():
    done = generate(Table(), [[3, 1], [4]], sampler=Llada(steps=3), max_new_tokens=5)
    page = Page(done._repr_html_())
    assert page.texts == ["".join(map(Table.tokenizer.decode, [[token] for token in row])) for row in done.sequences]
    assert len(page.titles) == sum(map(len, done.sequences)) - 3
    assert {title.split(",")[0] for title in page.titles} == {"step 1", "step 2", "step 3"}
    assert page.tags <= {"div", "span", "p"} and page.attributes <= {"class", "style", "title", "dir"}


def test_details_are_told_where_somebody_asked_for_them():
    plain = infill(Table(), [[3, *[Table.mask_token_id] * 3]], sampler=P2(steps=2))
    told = infill(Table(), [[3, *[Table.mask_token_id] * 3]], sampler=P2(steps=2), on_step=Recorder())
    assert "nats" not in plain._repr_html_() and "nats" in told._repr_html_()


def test_what_a_model_writes_is_text():
    model = Table()
    model.tokenizer = Wicked()
    done = generate(model, ["ab"], sampler=Llada(steps=2), max_new_tokens=4)
    page = Page(done._repr_html_())
    assert page.tags <= {"div", "span", "p"}
    assert page.texts[0].count("<img src=x onerror=") == len(done.sequences[0])
    assert "\x1b" not in done._repr_html_()


def test_without_steps_and_without_texts_there_is_a_fragment(TableModel):
    assert Page(infill(TableModel(), [[5, 6]], sampler=Llada())._repr_html_()).texts == ["5 6 "]
    assert Page(infill(TableModel(), [], sampler=Llada())._repr_html_()).texts == []


def test_a_generation_too_long_for_a_notebook_is_cut_and_says_so(TableModel):
    done = infill(TableModel(), [[5] * (MOST_CELLS + 7)], sampler=Llada())
    html = fragment(done.trace())
    assert f"first {MOST_CELLS} tokens" in html and Page(html).texts[0].count("5") == MOST_CELLS
    assert "are shown" not in fragment(infill(TableModel(), [[5] * MOST_CELLS], sampler=Llada()).trace())
