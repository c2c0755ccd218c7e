"""One of two ranks: an error that one has alone, inside and outside of what can be agreed on. Prints what this rank got."""

import os
import sys

import torch
import torch.distributed as dist

from rnd1lib.errors import DataError, PluginError
from rnd1lib.titan.ranks import on_every_rank, told_errors


def read():
    if dist.get_rank() == 1:
        raise DataError("docs.jsonl:7: broken.")
    return "rows"


def train(case):
    if case == "agreed":
        on_every_rank(read)
    if case == "plug-in" and dist.get_rank() == 1:
        raise PluginError("'mine' failed.")
    if case == "bug" and dist.get_rank() == 1:
        raise IndexError("list index out of range")
    if case == "both":
        raise PluginError("'mine' failed.")
    dist.all_reduce(torch.ones(1))


def main(case):
    dist.init_process_group("gloo")
    try:
        with told_errors():
            train(case)
    except Exception as error:
        print(type(error).__name__, getattr(error, "exit_code", 1), error, flush=True)
    os._exit(0)  # the connection breaks as it does when a rank leaves


main(sys.argv[1])
