"""The page as a person meets it: in headless Chromium, which is started once."""

import shutil

import pytest

from rnd1lib.sampling.generation import generate
from rnd1lib.views import Recorder
from rnd1lib.views.page import page
from rnd1lib.views.trace import Given, Header, Line, Trace

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
expect = sync_api.expect

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
ARGUMENTS += ["--disable-sync", "--no-first-run"]
HOSTILE = ["</script><img src=x onerror=alert(1)>", "<!--<script>", "a\nb", "\u202egnp", "\x00", "<b>&amp;</b>", "é", "$script"]
WORDS = ["The", " moon", " has", " risen", " rises", " late", ".\n", "<end>"]
MASK, END = 8, 7


class Hostile:
    """A tokenizer whose tokens attack the page."""

    def decode(self, ids):
        return "".join(HOSTILE[token % len(HOSTILE)] for token in ids)


def trace(sampler="p2", *, canvases=((0, [0, 1, MASK, MASK, MASK, MASK]),), lines=(), options=None, seed=0):
    header = Header(
        1, "a model", "words", "0" * 64, sampler, options or {}, seed, 0.0, "prefix", False, 1, MASK, [END],
        [Given(*canvas) for canvas in canvases], dict(enumerate([*WORDS, "<mask>"])),
    )  # fmt: skip
    return Trace(header, list(lines))


def commit(step, *places, again=()):
    """places: (position, id, probability, entropy)."""
    positions, ids, probabilities, entropies = (list(column) for column in zip(*places, strict=True))
    top = [[(token, p), *((other, 0.01) for other in range(4))] for token, p in zip(ids, probabilities, strict=True)]
    return Line(step, [0] * len(places), positions, ids, probabilities, entropies, top, list(again), {})


REVISED = trace(
    lines=[
        commit(0, (2, 2, 0.9, 0.2), (3, 3, 0.3, 2.0)),
        commit(1, (4, 5, 0.6, 1.0), again=[(0, 3)]),
        commit(2, (3, 4, 0.8, 0.5), (5, 6, 0.99, 0.1)),
    ]
)
PLAIN = trace("threshold", lines=[commit(0, (2, 2, 0.9, 0.2), (3, 3, 0.7, 0.4)), commit(1, (4, 5, 0.6, 1.0), (5, 6, 0.9, 0.1))])


@pytest.fixture(scope="module")
def chromium():
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no Chromium on this machine")
    with sync_api.sync_playwright() as started, started.chromium.launch(executable_path=path, args=ARGUMENTS) as browser:
        yield browser


@pytest.fixture
def look(chromium, tmp_path):
    """look(traces, ...) opens their page from the disk. `events`: dialogs, requests, errors and words on the console."""
    contexts = []

    def open_page(traces, **options):
        contexts.append(chromium.new_context(**{"viewport": {"width": 1280, "height": 900}} | options))
        shown = contexts[-1].new_page()
        shown.events = []
        shown.on("dialog", lambda dialog: (shown.events.append(f"dialog {dialog.message}"), dialog.dismiss()))
        shown.on("request", lambda request: shown.events.append(f"request {request.url}"))
        shown.on("console", lambda message: shown.events.append(f"console {message.text}"))
        shown.on("pageerror", lambda error: shown.events.append(f"error {error}"))
        file = tmp_path / f"page-{len(contexts)}.html"
        file.write_text(page(traces), encoding="utf-8")
        shown.goto(file.as_uri())
        assert shown.events.pop(0) == f"request {file.as_uri()}"
        return shown

    yield open_page
    for context in contexts:
        context.close()


def kinds(shown, position, pane=0):
    return shown.locator(".pane").nth(pane).locator(".text .token").nth(position).get_attribute("class").split()


def text(shown, pane=0):
    return shown.locator(".text").nth(pane).text_content()


def test_what_a_model_wrote_is_text_that_does_nothing(look, TableModel):
    model, recorder = TableModel(), Recorder()
    model.tokenizer, model.name = Hostile(), HOSTILE[0]
    generation = generate(model, [[0, 1, 3], [5]], max_new_tokens=24, sampler="threshold", threshold=0.05, on_step=recorder)
    shown = look(recorder.traces)
    literal = text(shown).replace("↵", "").replace("⟨U+202E⟩", "\u202e").replace("⟨U+0000⟩", "\x00")
    assert literal.startswith(generation.texts[0])
    assert HOSTILE[0] in literal
    shown.locator(".text .token").first.hover()
    assert shown.locator("#detail .piece").first.text_content() == HOSTILE[0]
    assert shown.locator(".facts td").first.text_content() == HOSTILE[0]
    shown.locator("#prompt").select_option("1")
    assert text(shown).startswith("<b>&amp;</b>")
    assert shown.locator("img, b, main script").count() == 0
    assert shown.events == []


def test_an_injected_script_or_handler_does_not_run(look):
    shown = look([PLAIN])
    shown.evaluate(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = 1";
            document.body.append(script);
            document.body.insertAdjacentHTML("beforeend", '<img src="x" onerror="window.ran = 2"><p style="color: red">');
        }"""
    )
    assert shown.evaluate("window.ran") is None
    assert len([event for event in shown.events if "Content Security Policy" in event]) >= 3


def test_the_slider_goes_from_the_blank_canvas_to_the_text(look):
    shown = look([REVISED])
    slider = shown.locator("#step")
    assert (slider.get_attribute("min"), slider.get_attribute("max"), slider.input_value()) == ("0", "3", "3")
    assert text(shown) == "The moon has rises late.↵\n"
    assert kinds(shown, 0) == ["token", "given"]
    slider.fill("0")
    assert [kinds(shown, position)[1] for position in range(6)] == ["given"] * 2 + ["masked"] * 4
    assert text(shown).replace("\u00a0", "") == "The moon"
    slider.fill("2")
    assert kinds(shown, 3) == ["token", "masked", "again", "new"]
    assert "new" in kinds(shown, 4)
    slider.fill("3")
    assert {"new", "revised"} <= set(kinds(shown, 3))
    measures = shown.locator(".measures").text_content()
    assert "Step 3 of 3 · 4 of 4 tokens · 1.33 a step" in measures
    assert "1 masked again" in measures
    shown.locator("#still").check()
    slider.fill("0")
    assert text(shown) == "The moon has rises late.↵\n"
    assert shown.locator(".text .masked").first.evaluate("element => getComputedStyle(element).color") == "rgba(0, 0, 0, 0)"


def test_the_keyboard_steps_plays_and_walks_the_text(look):
    shown = look([REVISED])
    value = shown.locator("#step").input_value
    for key, expected in [("Home", "0"), ("ArrowLeft", "0"), ("ArrowRight", "1"), ("ArrowRight", "2"), ("End", "3")]:
        shown.keyboard.press(key)
        assert value() == expected
    shown.locator("#step").focus()
    shown.keyboard.press("ArrowLeft")
    assert value() == "2"
    shown.locator(".text .token").nth(2).focus()
    assert "id 2" in shown.locator("#detail").text_content()
    shown.keyboard.press("ArrowDown")
    assert "masked now; step 3 commits this" in shown.locator("#detail").text_content()
    assert shown.evaluate("document.activeElement.dataset.position") == "3"
    shown.keyboard.press("ArrowRight")
    assert "committed at step 3" in shown.locator("#detail").text_content()
    shown.keyboard.press("Escape")
    assert shown.locator("#detail").is_hidden()
    shown.locator("#speed").select_option("32")
    shown.locator("#step").focus()
    shown.keyboard.press("Space")
    assert shown.locator("#play").text_content() == "Pause"
    expect(shown.locator("#play")).to_have_text("Play")
    assert value() == "3"
    assert "Step 3 of 3" in shown.locator("#said").text_content()
    assert shown.events == []


def test_pausing_stops_where_it_is(look):
    shown = look([REVISED])
    shown.locator("#speed").select_option("1")
    shown.locator("#play").click()
    assert shown.locator("#step").input_value() == "0"
    shown.locator("#play").click()
    assert shown.locator("#play").text_content() == "Play"
    assert shown.locator("#step").input_value() == "0"


def test_a_colour_stands_for_what_the_legend_says(look):
    shown = look([REVISED])
    shades = lambda: [next(kind for kind in kinds(shown, position) if "shade" in kind)[-1] for position in range(2, 6)]  # noqa: E731
    numbers = lambda: shown.locator("#legend .numbers span").all_text_contents()  # noqa: E731
    assert (shades(), numbers()) == (["0", "7", "4", "7"], ["1", "2", "2", "3", "3"])
    shown.locator("input[value=entropy]").check()
    assert (shades(), numbers()) == (["0", "2", "4", "0"], ["0.00", "0.50", "1.00", "1.50", "2.00"])
    shown.locator("input[value=probability]").check()
    assert (shades(), numbers()) == (["0", "1", "3", "0"], ["0.00", "0.25", "0.50", "0.75", "1.00"])


def test_a_token_tells_what_the_model_thought_to_pointer_and_finger(look):
    shown = look([REVISED], has_touch=True)
    token, detail = shown.locator(".text .token").nth(3), shown.locator("#detail")
    token.hover()
    told = detail.text_content()
    for words in (
        " rises",
        "committed at step 3",
        "position 3, id 4",
        "drawn with probability 0.8; entropy 0.5 nats",
        "masked again at step 2",
    ):
        assert words in told
    assert "step 1:  risen (0.3)" in told
    assert detail.locator("li").count() == 5
    assert detail.locator("li.taken .number").all_text_contents() == ["0.8"]
    widths = detail.locator(".bar").evaluate_all("bars => bars.map((bar) => bar.offsetWidth)")
    assert widths[0] > 20 * widths[1] > 0
    shown.mouse.move(0, 0)
    assert detail.is_hidden()
    token.tap()
    assert detail.is_visible()
    assert token.get_attribute("aria-describedby") == "detail"


def test_two_runs_stand_side_by_side_with_what_sets_them_apart(look):
    shown = look([REVISED, PLAIN])
    assert shown.locator("h2").all_text_contents() == ["1: p2", "2: threshold"]
    assert [text(shown, 0), text(shown, 1)] == ["The moon has rises late.↵\n", "The moon has risen late.↵\n"]
    assert ["differs" in kinds(shown, position, 1) for position in range(2, 6)] == [False, True, False, False]
    assert "3 of 4 as beside it in the end" in shown.locator(".measures").first.text_content()
    assert shown.locator(".facts").first.locator(".different th").all_text_contents() == ["sampler"]
    boxes = [pane.bounding_box() for pane in shown.locator(".pane").all()]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] + boxes[0]["width"] < boxes[1]["x"]
    shown.locator("#differences").uncheck()
    assert "differs" not in kinds(shown, 3, 1)
    shown.locator("#step").fill("2")
    assert "Step 2 of 2" in shown.locator(".measures").nth(1).text_content()
    shown.locator("#beside").select_option("")
    assert shown.locator(".pane").count() == 1
    shown.locator("#run").select_option("1")
    assert text(shown).endswith("risen late.↵\n")
    assert shown.events == []


def test_batches_of_one_run_are_its_prompts(look):
    other = PLAIN._replace(header=PLAIN.header._replace(canvases=[Given(1, [4, MASK, MASK, MASK, MASK, MASK])]))
    shown = look([PLAIN, other])
    assert shown.locator("#prompt option").all_text_contents() == ["0: The moon", "1: rises"]
    assert shown.locator("#run").is_hidden()
    shown.locator("#prompt").select_option("1")
    assert text(shown).startswith(" rises")


def test_what_lies_behind_the_end_is_set_apart_and_not_counted(look):
    shown = look([trace(lines=[commit(0, (2, 2, 0.9, 0.2), (4, 5, 0.5, 1.0)), commit(1, (3, END, 0.9, 0.1))])])
    assert [("beyond" in kinds(shown, position)) for position in range(6)] == [False] * 4 + [True] * 2
    assert "2 of 2 tokens" in shown.locator(".measures").text_content()
    assert "behind the end" in shown.locator("#legend .kinds li:visible").all_text_contents()[-1]


def test_light_and_dark_follow_the_system_and_the_button(look):
    for system, button in (("light", "Dark"), ("dark", "Light")):
        shown = look([PLAIN], color_scheme=system)
        ground = lambda: shown.evaluate("getComputedStyle(document.body).backgroundColor")  # noqa: E731, B023
        before = ground()
        assert shown.locator("#theme").text_content() == button
        shown.locator("#theme").click()
        assert {before, ground()} == {"rgb(255, 255, 255)", "rgb(20, 22, 27)"}
        assert (before == "rgb(255, 255, 255)") == (system == "light")


def test_paper_shows_the_final_text_and_the_legend_without_controls(look):
    shown = look([REVISED], color_scheme="dark")
    shown.locator("#step").fill("0")
    shown.emulate_media(media="print")
    expect(shown.locator(".text .masked")).to_have_count(0)
    assert text(shown) == "The moon has rises late.↵\n"
    assert shown.locator("#legend .numbers").is_visible()
    assert not any(shown.locator(hidden).is_visible() for hidden in ("#player", "#choices", "#theme", ".keys", "svg >> nth=0"))
    assert shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    shown.emulate_media(media="screen")
    expect(shown.locator("#step")).to_have_value("0")


@pytest.mark.parametrize("width", [360, 1600])
def test_nothing_is_wider_than_the_window(look, width):
    long = trace(canvases=[(0, [1] * 300 + [MASK] * 300)], options={"a_long_option": "x" * 200})
    shown = look([long, REVISED], viewport={"width": width, "height": 700})
    assert shown.evaluate("document.documentElement.scrollWidth") == width


def test_a_trace_without_prompts_and_one_without_details_open(look):
    empty = look([trace(canvases=())])
    assert "nothing to show" in empty.locator("#panes").text_content()
    bare = look([PLAIN._replace(lines=[each._replace(entropy=[], top=[]) for each in PLAIN.lines])])
    bare.locator("input[value=entropy]").check()
    bare.locator(".text .token").nth(2).hover()
    assert "entropy not recorded" in bare.locator("#detail").text_content()
    assert empty.events == bare.events == []


def test_a_trace_without_a_step_shows_what_was_given(look):
    shown = look([trace(canvases=[(0, [0, 1, 2])])])
    told = shown.inner_text("body")
    assert "Infinity" not in told and "NaN" not in told
    assert "The moon has" in told and "Step 0 of 0" in told
    shown.keyboard.press("ArrowRight")
    assert shown.events == []
