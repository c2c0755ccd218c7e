"""The card says what the run recorded and nothing else, and no text from outside is markup."""

import json

import pytest
import yaml
from architectures import MASK, write
from huggingface_hub import ModelCard

from rnd1lib import export, load_model
from rnd1lib.models.origins.licence import licence_at
from rnd1lib.models.runs.record import hub_name, place_name, portable, read_run
from rnd1lib.models.writing.card import Described, card
from rnd1lib.models.writing.markdown import fenced, text

RECIPE = {
    "about": "Qwen3 into a diffusion model.",
    "model": {"use": "qwen3", "init": "Qwen/Qwen3-0.6B-Base", "mask_token_id": MASK},
    "attention_mask": {"use": "bidirectional"},
    "noise": {"use": "linear"},
    "objective": {"use": "a2d_shift"},
    "lr_groups": {"use": "attention_first", "attention_lr": 3e-4, "rest_lr": 1e-8},
    "data": {"use": "text", "path": "/home/somebody/secret/*.txt"},
    "train": {"batch_tokens": 2048, "sequence_length": 256, "schedule": "constant", "warmup": 20, "seed": 7},
    "evaluators": {"nll": {"use": "nll", "every": 50}},
    "run": {"folder": "/home/somebody/runs/mine"},
}
METRICS = [
    {"step": 0, "evaluator": "nll", "nll": 8.25},
    *({"step": step, "loss": 9.0 - step, "tokens": 2000 + step, "masked": 900} for step in range(1, 4)),
    {"step": 1, "evaluator": "nll", "nll": 7.125},
    {"step": 2, "evaluator": "nll", "nll": 6.5},
    {"step": 3, "evaluator": "nll", "nll": 1.75},
]


@pytest.fixture
def run(tmp_path):
    """What of a run folder a card is made from."""

    def made(**changes):
        (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE | changes))
        (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in METRICS) + '{"step": 4, "to')
        (tmp_path / "plugins.lock").write_text(json.dumps({"rnd1lib": "0.0.9", "torch": "2.13.0"}))
        return read_run(tmp_path, 2)

    return made


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(write("qwen3, tied", tmp_path_factory.mktemp("in")), attention_mask="bidirectional", mask_token_id=MASK)


CONFIG = {"architectures": ["Qwen3ForCausalLM"], "is_causal": False, "dtype": "float32"}


def described(model, run, title="mine", **changes):
    return ModelCard(card(Described(title, model, CONFIG, run=run, **changes)))


def test_a_runs_card_names_data_steps_tokens_settings_and_figures_until_the_checkpoints_step(model, run):
    made = described(model, run())
    assert made.data.license == "unknown"
    assert made.data.base_model == "Qwen/Qwen3-0.6B-Base"
    assert made.data.tags == ["rnd1lib", "diffusion", "masked-diffusion", "bidirectional"]
    for said in (
        "Qwen3 into a diffusion model.",
        "| steps | 2 |",
        "| tokens | 4,003 that could be masked |",
        "| batch | 2048 tokens, in rows of 256 |",
        "| seed | 7 |",
        r"| attention\_mask | bidirectional: Every token sees every token of its document",
        r"| noise | linear: The default: a token is masked with probability t",
        'attention\\_lr: 0.0003, rest\\_lr: 1e-08, rest: "train"',
        "| nll, after 0 steps | nll 8.25 |",
        "| nll, after 2 steps | nll 6.5 |",
        "Measured by the evaluator nll (data: null, rows: 64).",
        "Held-out negative log-likelihood in nats a token",
        "1 % of lowest SHA-256",
        "rnd1 sample FOLDER",
        'AutoModelForCausalLM.from_pretrained("FOLDER")',
        "| trained with torch | 2.13.0 |",
        f"| mask token | {MASK} |",
        "shift | 1: row i of the logits predicts token i + 1",
    ):
        assert said in made.text, said
    assert "1.75" not in made.text and "7.125" not in made.text, "the first and the last, until that step"


def test_a_run_from_random_weights_says_so(model, run):
    assert "| made from | random weights |" in described(model, run(model={"use": "qwen3", "init": None})).text


def test_no_path_of_a_machine_is_in_it(model, run):
    made = described(model, run(model={"use": "qwen3", "init": "/home/somebody/models/base"}))
    assert "somebody" not in made.content
    assert "path: '*.txt'" in made.text
    assert "| made from | base |" in made.text
    assert made.data.base_model is None


@pytest.mark.parametrize(
    "evil",
    [
        "x\n---\nlicense: mit\n---",
        "<script>alert(1)</script><img src=x onerror=y>",
        "```\n<b>out</b>\n````",
        "| a | b |\n# heading\n[link](javascript:x)",
        "a\x00b\u2028c\u202ed",
    ],
)
def test_a_text_from_outside_is_neither_front_matter_nor_markup(evil, model, run):
    made = described(model, run(about=evil, model={"use": evil, "init": evil}), title=evil)
    assert made.data.to_dict() == described(model, run(model={})).data.to_dict()
    prose, _, code = made.text.partition("The whole recipe:")
    fence = code.strip().partition("yaml")[0]
    prose += code.strip().removeprefix(fence).partition(f"\n{fence}\n")[2]
    assert "<" not in prose.replace("<|", "")
    assert "\n# heading" not in prose
    assert "](" not in prose.replace(r"\]", "")
    assert all(letter.isprintable() or letter == "\n" for letter in prose)
    back = yaml.safe_load(code.strip().removeprefix(f"{fence}yaml\n").partition(f"\n{fence}\n")[0])
    assert back["about"] == evil


def test_a_folder_without_a_run_says_only_what_is_known(model, tmp_path):
    (tmp_path / "source").mkdir()
    out = export(model, tmp_path / "out", layout="qwen3")
    made = ModelCard.load(out / "README.md")
    assert "# out" in made.text
    assert "How this model was trained and evaluated is not recorded" in made.text
    assert "## Training" not in made.text
    assert "## Evaluation" not in made.text
    assert f"| made from | {text(model.name)} |" in made.text
    assert f"{sum(each.numel() for each in model.network.parameters()) - 48:,}" in made.text


def test_the_licence_of_the_folder_that_was_read_is_kept(tmp_path):
    source = write("qwen3, untied", tmp_path)
    (source / "README.md").write_text("---\nlicense: apache-2.0\ntags: [x]\n---\nlicense: mit\n")
    assert ModelCard.load(export(source, tmp_path / "out", layout="qwen3") / "README.md").data.license == "apache-2.0"
    for unsaid in ("license: mit\n", "---\ntags: [x]\n---\nlicense: mit\n"):
        (source / "README.md").write_text(unsaid)
        assert licence_at(source) == "unknown"


def test_the_licence_of_a_run_is_that_of_the_model_it_began_from(run, tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    (tmp_path / "cut.gguf").write_bytes(b"GGUF")
    for name, licence in {"base": "apache-2.0", "cut.gguf": "unknown", "gone": "unknown"}.items():
        record = run(model=RECIPE["model"] | {"init": str(tmp_path / name)})
        assert record.licence == licence and str(tmp_path) not in str(record.recipe)


def test_a_model_in_memory_has_no_licence_of_a_folder_that_is_called_as_it_is(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / model.name).mkdir()
    (tmp_path / model.name / "README.md").write_text("---\nlicense: mit\n---\n")
    assert ModelCard.load(export(model, tmp_path / "out", layout="qwen3") / "README.md").data.license == "unknown"


def test_a_folder_of_classes_that_are_not_ours_says_that_their_code_is_needed(tmp_path):
    made = (export(write("llada", tmp_path / "in"), tmp_path / "out", layout="llada") / "README.md").read_text()
    assert "The classes that config.json names are not part of this folder." in made
    assert "from_pretrained" not in made


def test_an_autoregressive_folder_is_said_to_be_read_from_the_left(tmp_path):
    made = (export(write("llama, tied", tmp_path), tmp_path / "out", layout="llama") / "README.md").read_text()
    assert "rnd1 sample FOLDER 'A prompt' --sampler left_to_right" in made
    assert "rnd1 infill" not in made
    assert "An autoregressive language model, without a mask token." in made
    assert "| mask token | none |" in made
    assert "is_causal" not in made
    assert ModelCard(made).data.tags == ["rnd1lib"]


def test_a_causal_model_in_a_layout_that_attends_both_ways_is_not_said_to_give_its_logits_there(tmp_path):
    made = (export(write("qwen3_moe", tmp_path), tmp_path / "out", layout="rnd1") / "README.md").read_text()
    assert "These classes attend both ways whatever the model does, and this one is causal" in made
    assert "makes it attend both ways" not in made


@pytest.mark.parametrize(
    ("mask", "shown"), [({"use": "block_causal", "block_length": 4}, "BlockCausal"), ({"use": "annealing"}, "Annealing")]
)
def test_a_model_that_attends_otherwise_is_not_said_to_give_its_logits_in_transformers(mask, shown, tmp_path):
    model = load_model(write("qwen3, tied", tmp_path), attention_mask=mask, mask_token_id=MASK)
    made = described(model, None).text
    assert "attends neither causally nor both ways. Transformers has no such mask" in made
    assert f"| attention | {shown} |" in made


def test_names_of_places():
    assert place_name("/a/b/c/") == "c"
    assert place_name("~/models/x") == "x"
    assert place_name("C:\\models\\x") == "x"
    assert place_name("data/math/*.jsonl") == "data/math/*.jsonl"
    assert portable({"a": ["/x/y", {"b": 3}], "c": None}) == {"a": ["y", {"b": 3}], "c": None}
    assert (hub_name("Qwen/Qwen3-4B"), hub_name("runs/mine"), hub_name("tests/models")) == ("Qwen/Qwen3-4B", None, None)


def test_a_block_of_code_ends_where_it_should():
    assert fenced("a\n```\nb", "yaml") == "````yaml\na\n```\nb\n````"
    assert text("a\nb  <c> & `d`") == "a b &lt;c&gt; &amp; \\`d\\`"


def test_a_recipe_that_is_damaged_is_left_out(tmp_path, model):
    (tmp_path / "recipe.yaml").write_bytes(b"\xff: [")
    record = read_run(tmp_path, 3)
    assert (record.recipe, record.tokens, record.evaluations) == ({}, 0, ())
    assert "It was not evaluated" in described(model, record).text
