"""Real processes of the command line, watched by what they print."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys

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

    def wait(self):
        """Reads to the end; gives the exit code, negative for a signal."""
        with self.output:
            self.lines += [line.rstrip("\n") for line in self.output]
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
    """`rnd1` with these arguments, in a copy of a process that has imported everything and done nothing.

    seconds: the kernel kills it when it has computed for so long. environment: of a rank.
    """

    def __init__(self, *arguments, seconds=0.0, environment=None):
        ours, theirs = SERVER.Pipe(duplex=False)
        self.process = SERVER.Process(target=become_rnd1, args=(theirs, [*map(str, arguments)], seconds, environment or {}))
        self.process.start()
        theirs.close()
        super().__init__(os.fdopen(os.dup(ours.fileno()), encoding="utf-8"))
        ours.close()

    def send(self, number):
        os.kill(self.process.pid, number)

    def code(self):
        self.process.join()
        return self.process.exitcode


def become_rnd1(output, arguments, seconds, environment):
    """What a forked process does."""
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    output.close()
    os.environ.update(environment)
    sys.argv = ["rnd1", *arguments]
    signal.setitimer(signal.ITIMER_PROF, seconds)
    main()


def last_step(folder):
    metrics = folder / "metrics.jsonl"
    return metrics.read_text().count('"loss"') if metrics.is_file() else 0


def status(folder):
    return json.loads((folder / "status.json").read_text())
