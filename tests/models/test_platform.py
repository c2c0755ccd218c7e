import subprocess
import sys

from rnd1lib.models import cpu, quiet

QUIET_IMPORT = """
import sys
import rnd1lib.models.opening
assert not {"torchtitan", "transformers", "gguf"} & set(sys.modules)
import torch, torch.distributed, torch.distributed.fsdp
assert hasattr(torch.distributed, "set_timeout") and hasattr(torch.distributed.fsdp, "DataParallelMeshDims")
import torchtitan.models.qwen3
from torchtitan.tools.utils import device_type
assert torch.accelerator.is_available() or device_type == "cpu", device_type
"""


def test_torchtitan_is_imported_quietly_on_any_machine_and_it_and_readers_of_gguf_not_before_they_are_asked_for():
    done = subprocess.run([sys.executable, "-c", QUIET_IMPORT], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_installing_again_changes_nothing():
    import torch

    before = dict(vars(torch.cpu)), torch._utils._get_available_device_type
    cpu.install()
    quiet.install()
    assert (dict(vars(torch.cpu)), torch._utils._get_available_device_type) == before
