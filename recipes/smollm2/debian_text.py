"""Texts for a longer run: `python recipes/smollm2/debian_text.py downloads/debian.jsonl`, on a Debian with its package lists.

apt downloads packages of documentation, dpkg unpacks them into a folder that is removed afterwards (no root, nothing is
installed), and every page of HTML or text in usr/share becomes a line `{"text": ..., "source": package and path}`. Packages may
be named behind the file, or folders of unpacked ones. Each package has its licence in its own `copyright`; no text is shipped.
"""

import argparse
import gzip
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path

PACKAGES = ("debian-faq", "debian-policy", "debian-reference-en", "developers-reference", "git-doc", "sqlite3-doc")
SHORTEST = 500
"""Characters; what is shorter is a table of contents or a page of links."""
UNSEEN = frozenset({"script", "style", "head", "nav"})
BREAKS = frozenset({"p", "div", "br", "li", "tr", "h1", "h2", "h3", "h4", "h5", "h6", "dt", "dd", "table", "section"})


class Text(HTMLParser):
    """Collects what a reader of the page sees; `pre` keeps its lines."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.unseen = self.pre = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Opens what is unseen or set as it is; a block begins a line."""
        self.unseen += tag in UNSEEN
        self.pre += tag == "pre"
        self.parts += ["\n"] if tag in BREAKS else []

    def handle_endtag(self, tag: str) -> None:
        """Closes it; a block ends a line."""
        self.unseen -= tag in UNSEEN and self.unseen > 0
        self.pre -= tag == "pre" and self.pre > 0
        self.parts += ["\n"] if tag in BREAKS | {"pre"} else []

    def handle_data(self, data: str) -> None:
        """A piece of text; outside `pre` its white space is one space, and none at the beginning of a line."""
        if self.unseen:
            return
        if not self.pre:
            data = re.sub(r"\s+", " ", data)
            data = data.lstrip() if not self.parts or self.parts[-1].endswith("\n") else data
        self.parts += [data] if data else []

    def text(self) -> str:
        """All of it, with one empty line at most between two lines."""
        lines = "".join(self.parts).split("\n")
        kept = [line.rstrip() for line, before in zip(lines, ["", *lines], strict=False) if line.strip() or before.strip()]
        return "\n".join(kept).strip()


def texts(root: Path) -> Iterator[tuple[str, str]]:
    """(path in the package, text) of an unpacked package, in order of path: its pages of HTML, or else its plain texts.

    Most packages have both of the same. Short ones, links and what is no UTF-8 are left out.
    """
    files = [path for path in sorted((root / "usr" / "share").rglob("*")) if path.is_file() and not path.is_symlink()]
    pages = [path for path in files if path.name.removesuffix(".gz").endswith(".html")]
    for path in pages or [path for path in files if path.name.removesuffix(".gz").endswith(".txt")]:
        content = gzip.decompress(path.read_bytes()) if path.name.endswith(".gz") else path.read_bytes()
        try:
            text = content.decode("utf-8")
        except UnicodeDecodeError:
            continue
        if pages:
            page = Text()
            page.feed(text)
            text = page.text()
        if len(text) >= SHORTEST:
            yield path.relative_to(root).as_posix(), text


def unpacked(package: str, scratch: Path) -> Path:
    """The folder of a package, or the one that was named. SystemExit: apt does not have it."""
    if Path(package).is_dir():
        return Path(package)
    if not shutil.which("apt-get"):
        sys.exit(f"{package}: no such folder, and there is no apt-get here to download a package with.")
    root = scratch / package
    root.mkdir()
    if subprocess.run(["apt-get", "--quiet=2", "--option=APT::Sandbox::User=root", "download", package], cwd=root).returncode:
        sys.exit(f"{package}: apt could not download it: above is why. `apt-get update` renews its lists of packages.")
    (archive,) = root.glob("*.deb")
    subprocess.run(["dpkg-deb", "--extract", archive, root], check=True)
    return root


def main() -> None:
    """Writes the file, whole or not at all, and says what is in it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the file to write, such as downloads/debian.jsonl")
    parser.add_argument("packages", nargs="*", default=PACKAGES, help="packages, or folders of unpacked ones")
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{asked.out.name}.", dir=asked.out.parent) as scratch:
        unfinished = Path(scratch) / "unfinished"
        if not write(unfinished, asked.packages, Path(scratch)):
            sys.exit(
                f"{', '.join(asked.packages)}: no page or text of {SHORTEST} characters in usr/share, so nothing is written."
            )
        unfinished.replace(asked.out)


def write(out: Path, packages: Sequence[str], scratch: Path) -> int:
    """Writes the texts of packages, each once, and says how many each has; returns how many they are together."""
    seen: set[str] = set()
    with out.open("w", encoding="utf-8") as file:
        for package in packages:
            before, size = len(seen), file.tell()
            for path, text in texts(unpacked(package, scratch)):
                if text not in seen:
                    seen.add(text)
                    line = {"text": text, "source": f"{Path(package).name}: {path}"}
                    file.write(json.dumps(line, ensure_ascii=False) + "\n")
            print(f"{package}: {len(seen) - before} documents, {(file.tell() - size) / 1e6:.1f} MB", flush=True)
    return len(seen)


if __name__ == "__main__":
    main()
