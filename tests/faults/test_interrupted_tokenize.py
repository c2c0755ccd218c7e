"""Ctrl-C in the middle of `rnd1 tokenize`: nothing is left, and the exit code says so."""

import signal
import time

from processes import PATIENCE, Started

from rnd1lib.models.tokenizer import train_tokenizer

ENDLESS = '''
from dataclasses import dataclass

import rnd1lib
from rnd1lib.kinds import Document


@dataclass(frozen=True, kw_only=True)
class Endless:
    """Never comes to an end."""

    endless = True

    def documents(self, stream, streams, cursor=None):
        while True:
            yield Document("a text " * 1000, None)


@rnd1lib.hookimpl
def rnd1_register(register):
    register.data("endless", Endless)
'''

RECIPE = """
extends: tiny/dense
plugins: [./endless.py]
model: {tokenizer: "%s/tokenizer"}
data: endless
"""


def test_ctrl_c_leaves_nothing(tmp_path):
    train_tokenizer(["a text"], 262).save(tmp_path / "tokenizer")
    (tmp_path / "endless.py").write_text(ENDLESS)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"extends: tiny/dense\nplugins: [./endless.py]\nmodel: {{tokenizer: {tmp_path}/tokenizer}}\ndata: endless\n"
    )
    started = Started(tmp_path / "log", "tokenize", recipe, tmp_path / "out")
    deadline = time.monotonic() + PATIENCE
    while not list(tmp_path.glob("out.partial-*/tokenizer.json")):
        assert started.process.poll() is None and time.monotonic() < deadline, started.lines()
        time.sleep(0.01)
    started.process.send_signal(signal.SIGINT)
    assert started.wait() == 130, started.lines()
    assert "Traceback" not in started.log.read_text()
    assert not list(tmp_path.glob("out*"))
