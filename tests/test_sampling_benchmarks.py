"""The benchmarks of sampling run, and find the tokens of each peer's shape in ours; what they measure is not looked at."""

import json
from pathlib import Path

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def results(name, arguments, monkeypatch, capsys):
    monkeypatch.syspath_prepend(BENCHMARKS)
    scope = {"__name__": name}
    exec(compile((BENCHMARKS / f"{name}.py").read_text(), name, "exec"), scope)
    scope["main"](arguments)
    return json.loads(capsys.readouterr().out.splitlines()[-1])["results"]


def test_a_generation_has_the_tokens_of_every_peers_shape(monkeypatch, capsys):
    rows = results("sampling", ["--quick", "--batch", "2"], monkeypatch, capsys)["quick"]
    assert {name: row["tokens"] for name, row in rows.items()} == dict.fromkeys(
        ("rnd1", "llada", "dream", "fast_dllm", "dllm", "2 prompts one by one"), "equal"
    )


def test_a_cache_gives_the_tokens_of_fast_dllm_with_it_and_of_none_where_it_is_exact(monkeypatch, capsys):
    causal, both_ways = results("cache", ["--quick"], monkeypatch, capsys).values()
    assert [row["tokens"] for row in causal.values()] == ["equal", "equal"]
    assert [row["tokens"] for name, row in both_ways.items() if "Fast-dLLM" in name] == ["equal", "equal"]
