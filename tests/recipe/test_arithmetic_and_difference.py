import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnd1lib.errors import RecipeError
from rnd1lib.recipe import TrainSection, read_recipe
from rnd1lib.recipe.arithmetic import Stage, batching, lr_scale, span_fault, span_steps, stages, steps
from rnd1lib.recipe.difference import ABSENT, differences, resume_problems
from rnd1lib.recipe.train_section import LrScalingSection, StageSection


def section(**values) -> TrainSection:
    return TrainSection(**{"batch_tokens": 2048, "sequence_length": 256, "steps": 10} | values)


@given(st.integers(1, 64), st.integers(1, 8), st.integers(1, 8))
def test_the_cut_adds_up_to_the_global_batch(rows, ranks, micro):
    train = section(batch_tokens=rows * ranks * micro * 16, sequence_length=16, micro_batch_rows=micro, streams=840)
    cut = batching(train, ranks)
    assert cut.micro_batch_rows * cut.accumulation * ranks == cut.global_rows == rows * ranks * micro


def test_without_micro_batch_rows_a_rank_takes_its_share_at_once():
    assert batching(section(), 2)[1:] == (4, 1)


@pytest.mark.parametrize(
    ("values", "ranks", "sentence"),
    [
        ({}, 3, "Nearest: batch_tokens 2304, or 2 ranks"),
        ({"micro_batch_rows": 3}, 1, "Nearest: 2"),
        ({"batch_tokens": 2000}, 1, "Nearest: 1792 or 2048"),
        ({"batch_tokens": 256 * 9, "streams": 64}, 3, "Nearest: 63"),
    ],
)
def test_what_does_not_divide_proposes_a_number_that_does(values, ranks, sentence):
    with pytest.raises(RecipeError, match=sentence):
        batching(section(**values), ranks)


def test_steps_come_from_steps_tokens_or_epochs():
    assert steps(section()) == 10
    assert steps(section(steps=None, tokens=2048 * 3 + 1.0)) == 4
    assert steps(section(steps=None, epochs=1.5), epoch_rows=16) == 3
    assert steps(section(steps=None, epochs=1.5), epoch_rows=17) == 4


def test_a_length_is_steps_tokens_or_a_share_of_the_run():
    spans = (7, "2%", "0.5 %", "100%", "8192 tokens", "1e6tokens", "0.5e7 tokens", "14000 tokens")
    assert [span_steps(span, section(), 14901) for span in spans] == [7, 298, 75, 14901, 4, 488, 2441, 7]
    assert all(span_fault(span) is None for span in spans)
    assert all(span_fault(span) for span in (-1, "2 percent", "-1%", "8e9", "tokens", "1e999 tokens", "nan tokens", ""))


def staged(**named):
    return {name: StageSection(**stage) for name, stage in named.items()}


def test_a_stage_without_a_length_takes_what_the_others_leave():
    train = section(
        steps=1000, warmup="2%", stages=staged(stable={}, lower={"length": 300, "factor": 0.25}, decay={"length": "10%"})
    )
    assert stages(train, 1000) == [Stage(580, 1.0, "constant"), Stage(300, 0.25, "constant"), Stage(100, 1.0, "constant")]
    assert stages(section(steps=100, warmup=10, schedule="cosine"), 100) == [Stage(90, 0.0, "cosine")]
    assert stages(section(steps=100, warmup=100, schedule="linear"), 100) == stages(section(), 10) == []


@pytest.mark.parametrize(
    ("named", "sentence"),
    [
        ({"a": {}, "b": {}}, "train.stages: a and b have no length; one stage at most takes what is left."),
        ({"a": {"length": 80}, "b": {"length": "20%"}}, "warmup 10, a 80, b 20 are 110 steps of the run's 100."),
        ({"a": {"length": 90}, "b": {}}, "warmup 10, a 90 are 100 steps of the run's 100, and b needs some."),
    ],
)
def test_stages_that_do_not_fit_the_run_are_refused_with_the_sum(named, sentence):
    with pytest.raises(RecipeError) as refusal:
        stages(section(warmup=10, stages=staged(**named)), 100)
    assert sentence in str(refusal.value)


def test_the_learning_rate_follows_the_batch_by_the_square_root_or_in_a_line():
    scaled = {rule: LrScalingSection(rule=rule, reference_batch_tokens=512) for rule in ("sqrt", "linear")}
    assert {rule: lr_scale(section(batch_tokens=2048, lr_scaling=each)) for rule, each in scaled.items()} == {
        "sqrt": 2.0,
        "linear": 4.0,
    }
    assert lr_scale(section()) == 1.0


def test_differences_are_told_key_by_key_and_types_count():
    first = {"a": {"b": 1, "c": [1, 2]}, "d": 1, "e": None}
    second = {"a": {"b": 1, "c": [1, 3]}, "d": True, "f": None}
    assert list(differences(first, second)) == [
        (("a", "c"), [1, 2], [1, 3]),
        (("d",), 1, True),
        (("e",), None, ABSENT),
        (("f",), ABSENT, None),
    ]


@pytest.fixture
def recorded(tmp_path):
    def of(name, *overrides):
        path = tmp_path / "recipe.yaml"
        path.write_text(read_recipe(name, overrides).settle(150).to_yaml())
        return path

    return of


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["about=another", "run.folder=moved", "run.stop_after=3", "callbacks.x=tensorboard", "evaluators.nll=null"],
        [
            "titan.checkpoint.interval=5",
            "titan.metrics.log_freq=2",
            "titan.debug.deterministic=true",
            "titan.compile.enable=true",
        ],
        ["titan.parallelism.expert_parallel_degree=2"],
        ["train.steps=151"],
        ["train.tokens=1e6"],
    ],
)
def test_what_may_change_on_resume(recorded, overrides):
    assert resume_problems(recorded("tiny/moe"), read_recipe("tiny/moe", overrides)) == []


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("train.seed=1", "train.seed: 0 in the run, 1 now (command line). Choose another run.folder."),
        ("train.steps=149", "train.steps: 150 in the run, 149 now (command line). A run can be made longer, not shorter."),
        ("noise=cosine", "noise.use: linear in the run, cosine now (command line). Choose another run.folder."),
        ("model.init=x", "model.init: (absent) in the run, x now (command line). Choose another run.folder."),
        ("titan.training.gc_freq=3", "titan.training.gc_freq: (absent) in the run, 3 now (command line). Choose"),
        ("train.warmup=3", "train.warmup: 20 in the run, 3 now"),
    ],
)
def test_what_may_not_change_on_resume_is_told_key_by_key(recorded, override, sentence):
    (problem,) = resume_problems(recorded("tiny/moe"), read_recipe("tiny/moe", [override]))
    assert problem.startswith(sentence)


STAGES = "train.stages={a: {factor: 1.0}, b: {length: 20%, factor: 0.1, shape: linear}}"


def test_shares_are_held_against_the_first_starts_steps(recorded):
    path = recorded("tiny/moe", "train.warmup=10%", STAGES)
    longer = ["train.warmup=10%", "train.steps=1000", STAGES]
    assert "length: 30" in path.read_text() and "warmup: 15" in path.read_text()
    assert resume_problems(path, read_recipe("tiny/moe", longer).settle(150)) == []
    assert len(resume_problems(path, read_recipe("tiny/moe", longer).settle(1000))) == 2
    other = read_recipe("tiny/moe", [*longer, "train.stages.b.factor=0.2"]).settle(150)
    assert resume_problems(path, other) == [
        "train.stages.b.factor: 0.1 in the run, 0.2 now (command line). Choose another run.folder."
    ]


def test_epochs_may_grow(recorded):
    path = recorded("tiny/moe", "train.epochs=1")
    assert resume_problems(path, read_recipe("tiny/moe", ["train.epochs=2"])) == []
    assert "train.epochs" in resume_problems(path, read_recipe("tiny/moe", ["train.epochs=0.5"]))[0]


def test_the_environment_is_compared_by_name_so_that_its_value_may_move(recorded, monkeypatch):
    monkeypatch.setenv("RND1_TEST_INIT", "one")
    path = recorded("tiny/moe", "model.init=${oc.env:RND1_TEST_INIT}")
    monkeypatch.setenv("RND1_TEST_INIT", "two")
    assert resume_problems(path, read_recipe("tiny/moe", ["model.init=${oc.env:RND1_TEST_INIT}"])) == []
