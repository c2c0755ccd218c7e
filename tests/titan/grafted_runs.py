"""What the tests of grafting share: recipes, and what they read out of a run."""

from torch.distributed.checkpoint.state_dict_loader import load

from rnd1lib.models.runs.checkpoint_reader import WeightsReader
from rnd1lib.models.runs.folder import RunFolder, found_checkpoints

DENSE = "model.use=qwen3"
GRAFTING = "attention_mask={use: grafting, after: 3, fit_steps: 4, fit_rows: 16}"
LONG = [DENSE, GRAFTING, "train.steps=9", "titan.checkpoint.interval=1", "titan.checkpoint.keep_latest_k=0"]
ONE = [DENSE, "train.steps=3"]


def grafting(**options):
    return f"attention_mask={{use: grafting, {', '.join(f'{name}: {value}' for name, value in options.items())}}}"


def fits(result):
    """step -> layer -> error, for the steps of the fit."""
    return {line["step"]: line["fit"] for line in result.metrics if "fit" in line}


def network_of(result, step):
    """The network as the checkpoint of a step has it."""
    network = result.model().network
    load(
        network.state_dict(), storage_reader=WeightsReader(RunFolder(result.folder).checkpoints / f"step-{step}"), no_dist=True
    )
    return network


def checkpoints(result):
    return sorted(found_checkpoints(RunFolder(result.folder).checkpoints))
