"""Ctrl-C in the middle of `rnd1 tokenize`: nothing is left, and the exit code says so."""

import signal

from processes import Forked

from rnd1lib.models.tokens.tokenizer import train_tokenizer

ENDLESS = '''
from dataclasses import dataclass
from itertools import count

import rnd1lib
from rnd1lib.kinds import Document


@dataclass(frozen=True, kw_only=True)
class Endless:
    """Never comes to an end."""

    endless = True

    def documents(self, stream, streams, cursor=None):
        for number in count():
            if number == 50:
                print("fifty documents", flush=True)
            yield Document("a text " * 1000, None)


@rnd1lib.hookimpl
def rnd1_register(register):
    register.data("endless", Endless)
'''


def test_ctrl_c_leaves_nothing(tmp_path):
    train_tokenizer(["a text"], 262).save(tmp_path / "tokenizer")
    (tmp_path / "endless.py").write_text(ENDLESS)
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"extends: tiny/dense\nplugins: [./endless.py]\nmodel: {{tokenizer: {tmp_path}/tokenizer}}\ndata: endless\n"
    )
    started = Forked("tokenize", recipe, tmp_path / "out")
    started.until("fifty documents")
    assert len(list(tmp_path.glob("out.partial-*"))) == 1
    started.send(signal.SIGINT)
    assert started.wait() == 130, started.text
    assert "Traceback" not in started.text and not list(tmp_path.glob("out*"))
