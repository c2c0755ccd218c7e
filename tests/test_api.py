import subprocess
import sys

import pytest

import rnd1lib
from rnd1lib.kinds import KINDS

HEAVY = "import sys; print([name for name in ('torch', 'torchtitan', 'transformers', 'datasets') if name in sys.modules])"


def test_components_lists_every_kind_with_the_package():
    found = rnd1lib.components()
    assert tuple(found) == KINDS and all(found.values())
    info = found["noise"]["cosine"]
    assert (info.kind, info.name, info.package, info.error) == ("noise", "cosine", "rnd1lib", None)
    assert list(rnd1lib.components("noise")) == ["noise"]


def test_a_manual_entry_and_options_are_read_from_the_class():
    info = rnd1lib.components("noise")["noise"]["cosine"]
    assert info.summary == info.manual.splitlines()[0] and "\n" not in info.summary
    assert set(info.options) == {"variant", "eps"}
    assert info.options["variant"].type == "Literal['md4', 'mdlm']"
    nll, setting = rnd1lib.components("evaluator")["evaluator"]["nll"], rnd1lib.components("lr_groups")["lr_groups"]
    assert nll.options["data"].type == "a data component | None"
    assert setting["attention_first"].options["setting"].type == "Literal[1, 2, 3, 4] | None"
    assert info.options["eps"].type == "float" and info.options["eps"].default == "0.001" and info.options["eps"].doc


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in rnd1lib.components().items() for name in names])
def test_every_shipped_component_keeps_its_contract_and_documents_each_option(kind, name):
    info = rnd1lib.components(kind)[kind][name]
    assert info.summary
    assert [option for option, entry in info.options.items() if not entry.doc] == []


def test_build_makes_what_a_recipe_would():
    assert rnd1lib.build("noise", "cosine", eps="0.25").eps == 0.25
    assert rnd1lib.build("evaluator", "nll", data={"use": "python_docs"}).data == rnd1lib.build("data", "python_docs")


@pytest.mark.parametrize(
    ("kind", "name", "options", "sentence"),
    [
        ("nois", "cosine", {}, "Did you mean 'noise'"),
        ("noise", "cosin", {}, "Did you mean 'cosine'"),
        ("noise", "cosine", {"epz": 1}, "epz: no such option. Did you mean 'eps'"),
        ("noise", "cosine", {"eps": "much"}, "eps: 'much' is not a number"),
        ("noise", "cosine", {"eps": 2.0}, "eps"),
        ("evaluator", "nll", {"data": {"use": "python_dox"}}, "data: no data is called 'python_dox'"),
    ],
)
def test_build_refuses_a_callers_mistake_with_a_sentence(kind, name, options, sentence):
    with pytest.raises(ValueError, match=r"\.$") as error:
        rnd1lib.build(kind, name, **options)
    assert sentence in str(error.value)


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'trian'"):
        rnd1lib.trian  # noqa: B018
    assert sorted(rnd1lib.__all__) == sorted(rnd1lib._HOMES) == dir(rnd1lib)


@pytest.mark.parametrize(
    "code",
    [
        "import rnd1lib; rnd1lib.components(); rnd1lib.hookimpl; rnd1lib.load_recipe",
        "from rnd1lib.recipe import read_recipe; read_recipe('rnd1/base').to_yaml()",
        "import rnd1lib.kinds, rnd1lib.api, rnd1lib.cli.app, rnd1lib.__main__",
    ],
)
def test_the_control_plane_imports_no_engine(code):
    done = subprocess.run([sys.executable, "-c", f"{code}\n{HEAVY}"], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
