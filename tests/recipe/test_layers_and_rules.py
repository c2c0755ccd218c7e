"""The rules by which layers become one recipe."""

import pytest

from rnd1lib.errors import RecipeError
from rnd1lib.plugins import installed
from rnd1lib.recipe import load_recipe, read_recipe
from rnd1lib.recipe.layers import shipped
from rnd1lib.recipe.problems import origin_of
from rnd1lib.recipe.structure import OWNED

MINE = """
from dataclasses import dataclass
from rnd1lib import hookimpl

@dataclass(frozen=True, kw_only=True)
class {name}:
    power: float = 2.0

    def alpha(self, t):
        return 1 - t ** self.power

    def alpha_prime(self, t):
        return -self.power * t ** (self.power - 1)

@hookimpl
def rnd1_register(register):
    register.noise("{name}", {name})
"""


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def to(**texts):
        for name, text in texts.items():
            path = tmp_path / f"{name.replace('__', '/')}.yaml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        return tmp_path

    return to


@pytest.mark.parametrize("name", sorted(name for name in shipped(installed()) if not name.startswith("base/")))
def test_every_shipped_recipe_loads_to_the_last_option(name):
    recipe = load_recipe(name)
    assert recipe.about and recipe.components.model is not None
    assert recipe.model.flavor in recipe.components.model.flavors


def test_the_shipped_recipes_are_the_five_of_the_spine():
    names = {name for name in shipped(installed()) if not name.startswith("base/")}
    assert {"tiny/ar", "tiny/dense", "tiny/moe", "rnd1/base", "probe/scp"} <= names


def test_later_parents_win_depth_first_and_the_file_itself_last(write):
    write(
        one="about: one\nextends: tiny/dense\ntrain: {steps: 1, seed: 1, clip: 1}",
        two="about: two\ntrain: {seed: 2, clip: 2}",
        mine="extends: [one.yaml, two.yaml]\ntrain: {clip: 3}",
    )
    recipe = read_recipe("mine.yaml")
    assert (recipe.about, recipe.train.steps, recipe.train.seed, recipe.train.clip) == ("two", 1, 2, 3.0)
    assert [str(origin_of(recipe.origins, ("train", key))) for key in ("steps", "seed", "clip", "adam_eps")] == [
        "one.yaml:3", "two.yaml:2", "mine.yaml:2", "default",
    ]  # fmt: skip


def test_extends_starts_from_the_file_that_says_so_and_a_file_goes_before_a_shipped_name(write):
    write(sub__child="extends: parent.yaml", sub__parent="extends: tiny/dense\ntrain: {seed: 5}")
    assert read_recipe("sub/child.yaml").train.seed == 5
    (folder := write()).joinpath("tiny").mkdir()
    (folder / "tiny" / "dense").write_text("extends: tiny/moe\ntrain: {seed: 6}")
    assert read_recipe("tiny/dense").train.seed == 6


def test_a_cycle_over_several_files_names_them(write):
    write(a="extends: b.yaml", b="extends: c.yaml", c="extends: a.yaml")
    with pytest.raises(RecipeError, match=r"c\.yaml:1: extends: .* a\.yaml -> b\.yaml -> c\.yaml -> a\.yaml"):
        read_recipe("a.yaml")


def test_a_diamond_is_no_cycle_and_endless_doubling_is_bounded(write):
    write(base="extends: tiny/dense", l="extends: base.yaml", r="extends: base.yaml", top="extends: [l.yaml, r.yaml]")
    assert read_recipe("top.yaml").train.steps == 150
    write(x0="extends: tiny/dense", **{f"x{n}": f"extends: [x{n - 1}.yaml, x{n - 1}.yaml]" for n in range(1, 30)})
    with pytest.raises(RecipeError, match="more than 100 layers"):
        read_recipe("x29.yaml")


def test_a_changed_use_drops_the_options_and_keeps_the_cores_own_keys(write):
    write(
        mine="extends: tiny/moe\nmodel: {use: qwen3}\nlr_groups: {use: uniform, lr: 1.0e-3}\n"
        "evaluators: {nll: {use: nll, rows: 8}}",
    )
    recipe = read_recipe("mine.yaml")
    assert recipe.tree["lr_groups"] == {"use": "uniform", "lr": 1e-3}
    assert (recipe.model.use, recipe.model.flavor, recipe.model.tokenizer) == ("qwen3", "tiny", {"train": 4096})
    assert recipe.evaluators["nll"].every == 50 and recipe.evaluators["nll"].options == {"rows": 8}


def test_the_same_use_keeps_the_options():
    recipe = read_recipe("tiny/moe", ["lr_groups={use: attention_first, rest_lr: 0.5}"])
    assert recipe.tree["lr_groups"] == {"use": "attention_first", "attention_lr": 3e-3, "rest_lr": 0.5, "weight_decay": 0.1}


def test_every_override_is_a_layer_of_its_own():
    recipe = read_recipe("tiny/dense", ["noise={use: cosine, eps: 0.1}", "noise.use=linear", "noise.use=cosine"])
    assert recipe.tree["noise"] == {"use": "cosine"}
    assert str(origin_of(recipe.origins, ("noise", "use"))) == "command line"


def test_entries_are_mappings_that_a_child_can_change_or_null():
    recipe = read_recipe("tiny/dense", ["evaluators.nll=null", "callbacks.log=tensorboard", "callbacks.console.every=7"])
    assert recipe.evaluators == {}
    assert {name: (entry.use, entry.every) for name, entry in recipe.callbacks.items()} == {
        "console": ("console", 7),
        "log": ("tensorboard", 1),
    }
    assert read_recipe("tiny/dense", ["evaluators=null"]).evaluators == {}


def test_of_steps_tokens_and_epochs_the_one_set_last_stays():
    assert read_recipe("tiny/dense", ["train.tokens=1e6"]).train.steps is None
    recipe = read_recipe("rnd1/base", ["train.steps=3"])
    assert (recipe.train.steps, recipe.train.tokens) == (3, None)


def test_lists_are_replaced_save_plug_ins_which_are_joined(write):
    folder = write(
        below="extends: tiny/dense\nplugins: [lib/one.py]\ntrain: {betas: [0.1, 0.2]}",
        mine="extends: below.yaml\nplugins: [two.py, lib/one.py]\nnoise: two\ntrain: {betas: [0.3, 0.4]}",
    )
    (folder / "lib").mkdir()
    (folder / "lib" / "one.py").write_text(MINE.format(name="one"))
    (folder / "two.py").write_text(MINE.format(name="two"))
    recipe = load_recipe("mine.yaml", ["noise.power=3"])
    assert recipe.train.betas == (0.3, 0.4)
    assert recipe.tree["plugins"] == [str(folder / "lib" / "one.py"), str(folder / "two.py")]
    assert recipe.components.noise.power == 3.0
    assert recipe.registry.names("noise") == sorted([*installed().registry.names("noise"), "one", "two"])
    assert "two" not in installed().registry.names("noise")


def test_interpolation_sees_the_merged_tree_and_the_defaults():
    recipe = read_recipe(
        "tiny/dense", ["noise={use: cosine, eps: '${train.times.low}'}", "run.folder=runs/${train.seed}", "train.seed=4"]
    )
    assert recipe.tree["noise"]["eps"] == 1e-3 and recipe.run.folder == "runs/4"


def test_the_environment_is_read_and_never_written(monkeypatch):
    monkeypatch.setenv("RND1_TEST_FOLDER", "secret")
    overrides = [
        "run.folder=a/${oc.env:RND1_TEST_FOLDER}",
        "about=in ${run.folder}",
        "noise={use: cosine, variant: '${oc.env:RND1_NOT,md4}'}",
    ]
    recipe = read_recipe("tiny/dense", overrides)
    assert (recipe.run.folder, recipe.about) == ("a/secret", "in a/secret")
    text = recipe.to_yaml()
    assert "secret" not in text and "a/${oc.env:RND1_TEST_FOLDER}" in text and "${run.folder}" in text


@pytest.mark.parametrize("name", ["tiny/ar", "tiny/moe", "rnd1/base"])
@pytest.mark.parametrize("origins", [True, False])
def test_what_is_written_loads_to_the_same_recipe(write, name, origins):
    odd = ["about='# ünd: \"x\"\\n- y'", "run.folder=yes", "train.adam_eps=1e-30", "callbacks.sample={use: sample, every: 3}"]
    recipe = read_recipe(name, odd)
    again = read_recipe(write(again=recipe.to_yaml(origins=origins)) / "again.yaml")
    assert again == recipe and again.about == '# ünd: "x"\\n- y'
    assert ("# command line" in recipe.to_yaml(origins=origins)) is origins


def test_settling_a_warm_up_changes_it_in_every_view():
    recipe = read_recipe("rnd1/base").settle(14902)
    assert recipe.train.warmup == recipe.tree["train"]["warmup"] == 298 and "warmup: 298" in recipe.to_yaml()


def test_the_lock_names_packages_and_the_recipes_own_files(write):
    folder = write(mine="extends: tiny/dense\nplugins: [two.py]\nnoise: two")
    (folder / "two.py").write_text(MINE.format(name="two"))
    lock = read_recipe("mine.yaml").plugins_lock()
    assert lock["torchtitan"].startswith("0.3.") and lock[str(folder / "two.py")].startswith("sha256:")
    assert set(lock) == {"rnd1lib", "torch", "torchtitan", "omegaconf", str(folder / "two.py")}


def test_every_owned_key_exists_in_a_recipe_under_the_name_that_is_given_for_it():
    tree = read_recipe("tiny/dense").tree
    for advice in OWNED.values():
        for key in advice.replace(" and ", ", ").split(", "):
            section, _, name = key.partition(".")
            assert section in tree and (not name or name in tree[section] or name in ("init", "steps", "stages"))
