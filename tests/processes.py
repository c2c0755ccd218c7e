"""Real processes, forked from one that has imported everything and done nothing: importing torchtitan takes its time."""

import json
import multiprocessing
import multiprocessing.connection
import os
import runpy
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import torch
import torch.distributed as dist

from rnd1lib.cli.app import main

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["rnd1lib.cli.app", "rnd1lib.titan.runner"])
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


class Watched:
    """A process whose output comes through a pipe."""

    def __init__(self, output):
        self.output, self.lines = output, []

    def until(self, text):
        """Reads on to the line that holds `text`."""
        for line in self.output:
            self.lines.append(line.rstrip("\n"))
            if text in line:
                return
        raise AssertionError(f"never said {text!r}:\n" + self.text)

    @property
    def text(self):
        """All that was said so far."""
        return "\n".join(self.lines)

    def drain(self):
        """Reads to the end."""
        with self.output:
            self.lines += [line.rstrip("\n") for line in self.output]

    def wait(self):
        """Reads to the end; gives the exit code, negative for a signal."""
        self.drain()
        return self.code()


class Started(Watched):
    """torchrun with two ranks."""

    def __init__(self, *arguments):
        command = [sys.executable, *TORCHRUN, "-m", "rnd1lib", *map(str, arguments)]
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        self.process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, **options)
        super().__init__(self.process.stdout)

    def send(self, number):
        self.process.send_signal(number)

    def code(self):
        return self.process.wait()


class Forked(Watched):
    """`rnd1` with these arguments, or a script.

    seconds: the kernel kills it when it has computed for so long. environment: of a rank.
    """

    def __init__(self, *arguments, script=None, seconds=0.0, environment=None):
        ours, theirs = SERVER.Pipe(duplex=False)
        given = (theirs, script and str(script), [*map(str, arguments)], seconds, environment or {})
        self.process = SERVER.Process(target=become, args=given)
        self.process.start()
        theirs.close()
        super().__init__(os.fdopen(os.dup(ours.fileno()), encoding="utf-8"))
        ours.close()

    def send(self, number):
        os.kill(self.process.pid, number)

    def code(self):
        self.process.join()
        return self.process.exitcode


def become(output, script, arguments, seconds, environment):
    """What a forked process does."""
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    output.close()
    os.environ.update(environment)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a suite that a shell runs in the background ignores Ctrl-C
    signal.setitimer(signal.ITIMER_PROF, seconds)
    sys.argv = [script or "rnd1", *arguments]
    if environment:
        torch.set_num_threads(1)
    if script:
        runpy.run_path(script, run_name="__main__")
    else:
        main()


class Ranks:
    """The ranks of one start, with a store that outlives them, as torchrun gives it. seconds: of the last rank."""

    def __init__(self, count, *arguments, script=None, seconds=0.0):
        self.store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(seconds=60))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(self.store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
        self.ranks = []
        for rank in map(str, range(count)):
            environment = {**place, "RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": str(count)} if count > 1 else {}
            last = int(rank) == count - 1
            self.ranks.append(Forked(*arguments, script=script, seconds=seconds if last else 0, environment=environment))

    def wait(self):
        """The exit codes; when one rank has failed the others are killed, as torchrun does it."""
        with ThreadPoolExecutor(len(self.ranks)) as readers:
            readers.map(Forked.drain, self.ranks)
            ended = multiprocessing.connection.wait([rank.process.sentinel for rank in self.ranks])
            if any(rank.process.exitcode for rank in self.ranks if rank.process.sentinel in ended):
                for rank in self.ranks:
                    rank.process.kill()
        return [rank.code() for rank in self.ranks]


def run_two_ranks(script, *arguments):
    """A script that two ranks run; what rank 0 said."""
    ranks = Ranks(2, *arguments, script=script)
    assert ranks.wait() == [0, 0], "\n".join(rank.text[-4000:] for rank in ranks.ranks)
    return ranks.ranks[0].text


def last_step(folder):
    metrics = folder / "metrics.jsonl"
    return metrics.read_text().count('"loss"') if metrics.is_file() else 0


def status(folder):
    return json.loads((folder / "status.json").read_text())
