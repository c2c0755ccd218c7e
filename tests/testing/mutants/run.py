"""Plants every bug of the *.toml files, one at a time, and says which promises noticed: `python tests/testing/mutants/run.py`.

The sources are copied, and the copy is patched. torch is imported once; each mutant lives in a fork that imports the patched
rnd1lib afresh. `--json` prints a JSON object: name -> the broken promises, or what kept the mutant from running.
"""

import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import tomllib
import traceback
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SECONDS = 60  # of computing; a bug in the loop may never end
PRELOADED = (
    "torch", "torch._dynamo", "torch.nn.attention.flex_attention", "torch.distributed.fsdp", "torch.distributed.checkpoint",
    "omegaconf", "pluggy", "safetensors.torch", "tokenizers", "importlib.metadata",
)  # fmt: skip


def mutants():
    """Every entry of the tables, in order of file."""
    return [entry for file in sorted(HERE.glob("*.toml")) for entry in tomllib.loads(file.read_text())["mutant"]]


def copy_of_the_sources(folder):
    for name in ("rnd1lib", "plugins/rnd1_plugins", "recipes"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    documents = folder / "documents"
    documents.mkdir()
    texts = [f"Document {n}. " + "words " * (n * 7 % 40) for n in range(60)]
    for n, text in enumerate(texts):
        (documents / f"{n:02}.txt").write_text(text)
    (documents / "all.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))


def held(folder, sentence, kind, name, options=None):
    """What a component of the copy does with a promise: {"found": what was seen where it is broken, else None}."""
    import rnd1lib
    from rnd1lib.testing import BrokenPromise, promises

    assert Path(rnd1lib.__file__).is_relative_to(folder), f"{rnd1lib.__file__} is not the copy"
    given = json.loads(json.dumps(options or {}).replace("FILES", str(folder / "documents")))
    component = rnd1lib.build(kind, name, **given)
    try:
        promises(kind)[sentence](component)
    except BrokenPromise as broken:
        return {"found": broken.found}
    return {"found": None}


def in_a_fork(make):
    """What `make` gives in a process of its own; {"error": why} if it does not get that far."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS + 1))  # a second for SIGXCPU to be what ends it
        try:
            answer = make()
        except BaseException:
            answer = {"error": traceback.format_exc()}
        with os.fdopen(writing, "w") as pipe:
            json.dump(answer, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    return json.loads(answer) if answer else {"error": fate_of(status)}


def fate_of(status):
    """How a process ended that gave no answer: a bug that never ends, or the machine, which is not the mutant's doing."""
    if not os.WIFSIGNALED(status):
        return f"no answer, and it left with {os.waitstatus_to_exitcode(status)}"
    ended = signal.Signals(os.WTERMSIG(status))
    if ended == signal.SIGXCPU:
        return f"no answer within {SECONDS} s of computing"
    return f"no answer: killed by {ended.name}" + " (is there too little memory?)" * (ended == signal.SIGKILL)


def planted(folder, mutant):
    """The answer of one mutant; its file is as it was afterwards."""
    file = folder / mutant["file"]
    source = file.read_text()
    times = source.count(mutant["old"])
    if times != 1:
        return {"error": f"{mutant['file']} holds {mutant['old']!r} {times} times, not once: bring the mutant up to date."}
    file.write_text(source.replace(mutant["old"], mutant["new"]))
    try:
        return in_a_fork(lambda: held(folder, mutant["promise"], *mutant["on"]))
    finally:
        file.write_text(source)


def answers(planned):
    """Name -> answer of every mutant planned, and under "healthy" what is broken without any.

    The tables are read once, when the sources are copied: whoever edits either meanwhile gets no mixture of both.
    """
    sys.dont_write_bytecode = True  # a patched file must never be read from an old .pyc
    for name in PRELOADED:
        import_module(name)
    import_module("torch").set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary).resolve()
        copy_of_the_sources(folder)
        sys.path[:0] = [str(folder), str(folder / "plugins")]
        healthy = in_a_fork(lambda: [[m["name"], held(folder, m["promise"], *m["on"])] for m in planned])
        return {"healthy": healthy} | {mutant["name"]: planted(folder, mutant) for mutant in planned}


def table(planned, answered):
    """A line a mutant: its name, the promise that caught it, what that saw."""
    for mutant in planned:
        answer = answered[mutant["name"]]
        fate = "caught" if answer.get("found") else "MISSED"
        yield f"{fate}  {mutant['name']}\n    -> {mutant['promise']}: {answer.get('found') or answer.get('error')}"


if __name__ == "__main__":
    planned = mutants()
    given = answers(planned)
    print(json.dumps(given) if "--json" in sys.argv else "\n".join(table(planned, given)))
