"""What the table of groups says at the start, and that its warning is true of real optimizer steps."""

import re

import pytest
import torch

from rnd1lib.titan.optimizer.group_table import unmoved_from


@pytest.mark.parametrize(
    ("lr", "dtype"), [(1e-8, torch.float32), (3e-7, torch.float32), (1e-6, torch.bfloat16), (3e-4, torch.bfloat16)]
)
def test_a_step_of_adamw_moves_weights_below_the_bound_and_none_at_it(lr, dtype):
    size = unmoved_from(lr, dtype)
    below = torch.nn.Parameter(torch.tensor(size / 2 * 1.01, dtype=dtype))
    at = torch.nn.Parameter(torch.tensor(size, dtype=dtype))
    optimizer = torch.optim.AdamW([below, at], lr=lr, weight_decay=0.0)
    before = below.item(), at.item()
    for weight in (below, at):
        weight.grad = torch.tensor(-1.0, dtype=dtype)  # upwards: the distance to the next number above is the larger one
    optimizer.step()
    assert below.item() != before[0] and at.item() == before[1]


def test_a_run_shows_its_groups_and_warns_of_a_rate_that_moves_little(run, capsys):
    run("lr_groups={use: attention_first, attention_lr: null, rest_lr: null, weight_decay: null, setting: 4}", "train.steps=1")
    said = capsys.readouterr().err
    rows = {line.split()[0]: line.split() for line in said.splitlines() if re.match(r"(mask_token|attention|rest) ", line)}
    assert rows["mask_token"] == ["mask_token", "1", "96", "0.01%", "3.00e-04", "0"]
    assert rows["rest"][-2:] == ["1.00e-08", "0.1"]
    shares = [float(row[3].rstrip("%")) for row in rows.values()]
    assert sum(shares) == pytest.approx(100, abs=0.02)
    warning = " ".join(said[said.index("group rest:") :].split())
    assert "a step of 1.0e-08 is below half the distance of float32 numbers at 0.25 and above (1.5e-08)" in warning
    assert "group attention:" not in said


def test_a_frozen_group_is_called_so_and_not_warned_of(run, capsys):
    run("lr_groups={use: attention_first, attention_lr: 3.0e-3, rest_lr: null, rest: freeze}", "train.steps=1")
    said = capsys.readouterr().err
    assert re.search(r"^rest .* frozen", said, re.M) and "do not move" not in said
