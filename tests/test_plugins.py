import importlib.metadata
import sys
from pathlib import Path

import pytest

from rnd1lib import plugins
from rnd1lib.errors import PluginError, Rnd1Error

REGISTERS = """
from rnd1lib import hookimpl
@hookimpl
def rnd1_register(register):
    register.noise("{name}", "{module}_noise:Noise")
"""


class Dist:
    version = "1.2"

    def __init__(self, name):
        self.name = name


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """name -> source of a module; gives the entry points that pip would have made."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(**sources):
        points = []
        for name, source in sources.items():
            module = f"stranger_{name}"
            (tmp_path / f"{module}.py").write_text(source.format(name=name, module=module))
            point = importlib.metadata.EntryPoint(name, module, "rnd1lib")
            vars(point)["dist"] = Dist(f"{name}-package")
            points.append(point)
        return points

    yield install
    for module in [module for module in sys.modules if module.startswith("stranger_")]:
        del sys.modules[module]


def test_an_entry_point_is_found_with_its_package_and_version_and_its_component_is_not_imported(installed):
    found = plugins.load(installed(zipf=REGISTERS))
    entry = found.registry.find("noise", "zipf")
    assert (entry.owner, found.broken) == (("zipf", "zipf-package", "1.2"), [])
    assert "stranger_zipf_noise" not in sys.modules


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import no_such_module", "No module named 'no_such_module'"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("def f(:", "SyntaxError"),
        ("from rnd1lib import hookimpl\n@hookimpl\ndef rnd1_regster(register): pass", "rnd1_regster"),
        ("from rnd1lib import hookimpl\n@hookimpl\ndef rnd1_register(registry): pass", "registry"),
        ("from rnd1lib import hookimpl\n@hookimpl\ndef rnd1_register(register): register.nois('a', 'b:C')", "nois"),
        ("from rnd1lib import hookimpl\n@hookimpl\ndef rnd1_recipe_dirs(): return 3", "not iterable"),
    ],
)
def test_a_broken_plug_in_is_named_and_the_others_work(installed, source, why):
    found = plugins.load(installed(bad=source, good=REGISTERS))
    assert found.registry.names("noise") == ["good"]
    (broken,) = found.broken
    assert "'bad' (bad-package 1.2) is broken" in str(broken) and why in str(broken)


def test_what_a_plug_in_registered_before_it_broke_is_listed_with_its_error(installed):
    found = plugins.load(installed(half=REGISTERS + "    raise RuntimeError('no more')"))
    assert "no more" in found.registry.find("noise", "half").error
    with pytest.raises(PluginError, match=r"half-package 1\.2.*no more"):
        found.registry.load("noise", "half")


def test_two_plug_ins_with_one_name_are_an_error_that_names_both(installed):
    points = installed(one=REGISTERS, two=REGISTERS.replace("{name}", "one"))
    with pytest.raises(Rnd1Error, match=r"one-package 1\.2.*two-package 1\.2") as error:
        plugins.load(points)
    assert error.value.exit_code == 2
    assert plugins.load(points, "two").registry.names("noise") == ["one"]


def test_the_switch_picks_by_name_and_empty_means_none(installed):
    points = installed(one=REGISTERS, two=REGISTERS)
    assert plugins.load(points, "two").registry.names("noise") == ["two"]
    assert plugins.load(points, " two , one ").registry.names("noise") == ["one", "two"]
    assert plugins.load(points, "").registry.names("noise") == []
    with pytest.raises(Rnd1Error, match=r"RND1_PLUGINS names 'tow'\. Did you mean 'two'"):
        plugins.load(points, "tow")


def test_commands_are_asked_of_each_plug_in_and_one_that_fails_is_broken(installed):
    hook = "from rnd1lib import hookimpl\n@hookimpl\ndef rnd1_register_commands(app): app.append('{name}')"
    found = plugins.load(installed(one=hook, two=hook.replace("append", "apend")))
    app = []
    found.add_commands(app)
    assert app == ["one"] and "apend" in found.broken[0].error


def test_a_local_file_adds_to_a_copy_and_an_edited_one_is_read_anew(tmp_path):
    installed = plugins.Plugins()
    installed.registry.freeze()
    file = tmp_path / "mine.py"
    for name in ("first", "second"):
        file.write_text(REGISTERS.format(name=name, module="any"))
        registry = installed.with_files([file])
        assert registry.names("noise") == [name] and installed.registry.names("noise") == []
        assert registry.find("noise", name).owner.package == str(file)


@pytest.mark.parametrize(("source", "why"), [("1/0", "ZeroDivisionError"), ("def f(:", "SyntaxError")])
def test_a_local_file_that_fails_is_named_and_leaves_no_module(tmp_path, source, why):
    file = tmp_path / "mine.py"
    file.write_text(source)
    before = set(sys.modules)
    with pytest.raises(PluginError, match=why) as error:
        plugins.Plugins().with_files([file])
    assert str(file) in str(error.value) and not [name for name in set(sys.modules) - before if name.startswith("rnd1_local_")]


def test_the_first_party_plug_in_is_found_by_its_entry_point_and_ships_recipes():
    found = plugins.installed()
    assert found.registry.find("sampler", "rnd1_entropy").owner.package == "rnd1lib"
    assert [Path(folder).name for folder in found.recipe_dirs["rnd1lib"]] == ["recipes"]
