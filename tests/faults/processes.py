"""Real processes of the command line, watched by what they print."""

import json
import os
import signal
import subprocess
import sys
import traceback

from rnd1lib.cli.app import main

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
    """A copy of this process, which has imported everything, as `rnd1` with these arguments.

    seconds: the kernel kills it when it has computed for so long. environment: of a rank.
    """

    def __init__(self, *arguments, seconds=0.0, environment=None):
        ours, theirs = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(ours)
            _become_rnd1(theirs, [*map(str, arguments)], seconds, environment or {})
        os.close(theirs)
        super().__init__(os.fdopen(ours, encoding="utf-8"))

    def send(self, number):
        os.kill(self.pid, number)

    def code(self):
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def _become_rnd1(output, arguments, seconds, environment):
    code = 1
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        os.environ.update(environment)
        sys.argv = ["rnd1", *arguments]
        signal.setitimer(signal.ITIMER_PROF, seconds)
        main()
        code = 0
    except SystemExit as left:
        code = left.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def last_step(folder):
    metrics = folder / "metrics.jsonl"
    return metrics.read_text().count('"loss"') if metrics.is_file() else 0


def status(folder):
    return json.loads((folder / "status.json").read_text())
