"""The training engine on torchtitan: configuration, trainer, groups, checkpoints, the run folder."""

import rnd1lib.models  # noqa: F401 - installs the CPU platform, which has to stand before torchtitan is imported
