"""Real processes of the command line, watched by what they write."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
PATIENCE = 120.0


class Started:
    """A process whose stderr goes to a file."""

    def __init__(self, log: Path, *arguments, ranks=1):
        self.log = log
        command = [sys.executable, *(TORCHRUN if ranks > 1 else []), "-m", "rnd1lib", *map(str, arguments)]
        with log.open("w") as file:
            self.process = subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=file, stderr=file)

    def lines(self):
        return self.log.read_text().splitlines()

    def wait(self):
        try:
            return self.process.wait(PATIENCE)
        finally:
            self.process.kill()

    def stop_after(self, folder, step, signal):
        """Sends the signal as soon as metrics.jsonl holds this step; gives the exit code."""
        deadline = time.monotonic() + PATIENCE
        while last_step(folder) < step:
            assert self.process.poll() is None and time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.01)
        self.process.send_signal(signal)
        return self.wait()


def last_step(folder):
    metrics = folder / "metrics.jsonl"
    return metrics.read_text().count('"loss"') if metrics.is_file() else 0


def status(folder):
    return json.loads((folder / "status.json").read_text())
