"""Loads the model folder LARGE in both dtypes and prints peak and network, in bytes of memory that is this process's own.

Pages that a file lends can be dropped and are no copy, so they do not count. SMALL is loaded first, for what is made once.
"""

import sys
import threading
from pathlib import Path

import rnd1lib

SMALL, LARGE = sys.argv[1:]


def own():
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) << 10


def show_peak(dtype):
    seen, done = [own()], threading.Event()

    def watch():
        while not done.wait(0.0005):
            seen.append(own())

    thread = threading.Thread(target=watch)
    thread.start()
    model = rnd1lib.load_model(LARGE, dtype=dtype)
    done.set()
    thread.join()
    print(max([*seen, own()]) - seen[0], sum(each.nbytes for each in model.network.parameters()), flush=True)


if __name__ == "__main__":
    rnd1lib.load_model(SMALL)
    for dtype in ("bfloat16", "float32"):
        show_peak(dtype)
