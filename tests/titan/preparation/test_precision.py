"""Number formats: what is float32, what bf16, what float8; that they agree; and what a machine or a network cannot do."""

import re

import pytest
import torch
from titan_runs import losses, weights

import rnd1lib
from rnd1lib.errors import RecipeError
from rnd1lib.titan.preparation import plan, precision
from rnd1lib.titan.trainer import DiffusionTrainer

DENSE = ["model.use=qwen3", "lr_groups={use: uniform, lr: 1.0e-3}"]
NETWORKS = {"dense": DENSE, "moe": []}
BOUND = 2e-3  # of a loss, relative, over five steps: five times what was seen


@pytest.fixture
def network(monkeypatch):
    """The network of the newest run, as it trained."""
    seen, plain = {}, DiffusionTrainer.train_step
    monkeypatch.setattr(DiffusionTrainer, "train_step", lambda self, rows: (seen.update(it=self.network), plain(self, rows))[1])
    return lambda: seen["it"]


@pytest.mark.parametrize("name", NETWORKS)
def test_five_steps_in_emulated_float8_and_mxfp8_agree_with_bf16_and_with_none_exactly(run, tmp_path, name, network, capsys):
    found = {}
    for form in ("bf16", "float8", "mxfp8"):
        options = [f"train.precision={form}", "train.steps=5", f"run.folder={tmp_path / form}"]
        result = run(*NETWORKS[name], *options)
        found[form] = losses(result)
        assert {value.dtype for value in weights(result).values()} == {torch.float32}
        kinds = {each: type(module).__name__.removeprefix("FSDP") for each, module in network().named_modules()}
        linear = {"bf16": "Linear", "float8": "Float8Linear", "mxfp8": "BlockScaledLinear"}[form]
        assert kinds["layers.0.attention.qkv_linear.wq"] == kinds["layers.0.attention.wo"] == linear
        assert kinds["layers.0.attention.qkv_linear.wk"] == "Linear" and kinds["lm_head"] == "ScoringHead"
        if name == "moe":
            experts = "QuantizedExperts" if form == "mxfp8" else "Experts"
            assert (
                kinds["layers.0.moe.routed_experts.inner_experts"] == experts and kinds["layers.0.moe.router.gate"] == "Linear"
            )
        said = capsys.readouterr().err
        assert ("emulated on this machine" in said) is (form != "bf16")
        assert ("experts compute in bf16" in said) is (form == "float8" and name == "moe")
    for form in ("float8", "mxfp8"):
        assert all(0 < abs(found[form][step] - loss) < BOUND * loss for step, loss in found["bf16"].items())


def test_a_checkpoint_of_one_precision_is_the_start_of_another_and_a_resumed_run_is_exact(run, tmp_path):
    whole = run("train.precision=mxfp8", "train.steps=3", f"run.folder={tmp_path}/whole")
    run("train.precision=mxfp8", "train.steps=3", "run.stop_after=2")
    resumed = run("train.precision=mxfp8", "train.steps=3")
    assert losses(resumed) == losses(whole)
    ours, theirs = weights(resumed), weights(whole)
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in theirs)
    for form in ("float32", "float8"):
        options = [
            f"model.init={whole.folder}",
            f"train.precision={form}",
            "lr_groups={use: uniform, lr: 0.0}",
            "train.steps=1",
        ]
        kept = weights(run(*options, f"run.folder={tmp_path / form}"))
        assert kept.keys() == theirs.keys() and all(torch.equal(kept[name], theirs[name]) for name in theirs)


def test_a_step_in_bf16_moves_the_weights_by_less_than_bf16_could_hold(run):
    """A weight near 1 is stored by bf16 in steps of 2^-8 to 2^-7; the norms' weights begin at 1 and move by 1e-5."""
    result = run(
        "train.precision=bf16", "lr_groups={use: uniform, lr: 1.0e-5, weight_decay: 0.0}", "train.warmup=0", "train.steps=1"
    )
    norms = torch.cat([value for name, value in weights(result).items() if name.endswith("norm.weight")])
    moved = (norms - 1).abs()
    assert 0.9e-5 < moved.max() < 1.1e-5 and (moved > 0).float().mean() > 0.9
    assert torch.equal(norms.bfloat16(), torch.ones_like(norms, dtype=torch.bfloat16))


def test_layers_and_experts_compute_in_the_dtype_of_the_recipe(run, tmp_path, monkeypatch):
    from torchtitan.models.common.moe import GroupedExperts

    seen, plain = {}, GroupedExperts._grouped_mm

    def watched(self, *, A, B_t, offs):
        seen[asked] = (A.dtype, B_t.dtype)
        return plain(self, A=A, B_t=B_t, offs=offs)

    monkeypatch.setattr(GroupedExperts, "_grouped_mm", watched)
    for asked, dtype in (("float32", torch.float32), ("bf16", torch.bfloat16)):
        run(f"train.precision={asked}", "train.steps=1", f"run.folder={tmp_path / asked}")
        assert seen[asked] == (dtype, dtype)


def problems(recipe, *overrides):
    with pytest.raises(RecipeError) as raised:
        plan.plan_run(rnd1lib.load_recipe(recipe, overrides), 1)
    return str(raised.value)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["train.loss=liger"], "liger is a triton kernel, which needs a GPU"),
        (["titan.compile.enable=true"], "compiles the products of experts in bf16 alone"),
        (["titan.compile.enable=true", "train.precision=float8"], "on a CPU float8 is emulated"),
        (
            ["train.precision=mxfp8", "train.sequence_length=50", "train.batch_tokens=100"],
            "mxfp8 needs multiples of 32, and the tokens of a rank's forward pass are 100",
        ),
    ],
)
def test_what_cannot_be_is_said_before_anything_starts(tiny, tmp_path, overrides, sentence):
    assert sentence in problems(tiny, *overrides)
    assert not (tmp_path / "run").exists()


def test_a_missing_package_is_said_with_the_command_that_installs_it(tiny, monkeypatch):
    monkeypatch.setattr(precision, "find_spec", lambda name: None)
    assert "pip install rnd1lib[float8]" in problems(tiny, "train.precision=float8")
    assert "pip install rnd1lib[liger]" in problems(tiny, "train.loss=liger")


def test_a_missing_compiler_is_said(tiny, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert "a C++ compiler" in problems(tiny, "titan.compile.enable=true", "train.precision=bf16")


@pytest.mark.parametrize(
    ("form", "capability", "sentence"),
    [
        ("mxfp8", (9, 0), r"mxfp8 needs .* 10\.0 \(B200\), and this H200 has 9\.0. Use float8 or bf16"),
        ("float8", (8, 0), r"float8 needs .* 8\.9 .*, and this H200 has 8\.0. Use bf16"),
        ("float8", (9, 0), None),
        ("mxfp8", (10, 0), None),
    ],
)
def test_a_gpu_that_lacks_the_format_is_named_with_what_it_has(tiny, monkeypatch, form, capability, sentence):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "H200")
    recipe = rnd1lib.load_recipe(tiny, [f"train.precision={form}"])
    found = precision.precision_problems(recipe, dict(recipe.components.model.flavors["tiny"]), tokens=512)
    assert [bool(re.search(sentence or "", each)) for each in found] == ([] if sentence is None else [True])
