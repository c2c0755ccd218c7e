from rnd1_plugins.callbacks.console import Console

from rnd1lib.testing.callback import METRICS


def everything_that_happens(run):
    console = Console()
    console.on_start(run)
    console.on_step(run, METRICS)
    console.on_evaluation(run, "held_out", {"nll": 5.43211})
    console.on_checkpoint(run, run.folder / "checkpoints/step-3")
    console.on_end(run, None)


def test_a_line_for_everything_on_stderr(watched, capsys):
    run = watched()
    everything_that_happens(run)
    said = capsys.readouterr()
    assert said.out == ""
    assert [" ".join(line.split()) for line in said.err.splitlines()] == [
        f"{run.folder}: from step 4 to 10 on 2 ranks",
        "step 3 loss 6.2500 grad 1.500 lr attention 3.0e-04 rest 1.0e-08 1,024 tokens/s 99.1% packed",
        "step 3 held_out: nll 5.4321",
        f"step 3 saved {run.folder}/checkpoints/step-3",
    ]


def test_one_rank_is_one_rank(watched, capsys):
    Console().on_start(watched(ranks=1))
    assert capsys.readouterr().err.endswith("on 1 rank\n")
    Console().on_start(watched(step=10))
    assert capsys.readouterr().err == ""


def test_other_ranks_are_silent(watched, capsys):
    everything_that_happens(watched(rank=1))
    assert capsys.readouterr() == ("", "")
