"""Every mistake that a user can make: one small family of exceptions, a class for each exit code.

An exception's text is a sentence that stands alone. The command line prints it without a traceback and leaves with
`exit_code`; in Python all of them are `Rnd1Error`.
"""

from __future__ import annotations

from collections.abc import Iterable


class Rnd1Error(Exception):
    """The user's mistake, or the world's; never a bug of ours. Exit code 2."""

    exit_code: int = 2


class Note(UserWarning):
    """What was done otherwise than the words of a request say, such as a top_k above the vocabulary; one line on stderr."""


class RecipeError(Rnd1Error):
    """One or more problems in a recipe, all of them at once, each a line `FILE:LINE: what is wrong. What is allowed.`"""

    def __init__(self, problems: str | Iterable[str]) -> None:
        self.problems = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("\n".join(self.problems))


class DataError(Rnd1Error):
    """Documents that cannot be read: file, line and what is wrong with it."""


class ModelError(Rnd1Error):
    """A foreign model folder that cannot be used: every missing, unexpected or misshapen tensor is named."""


class SamplingError(Rnd1Error):
    """Arguments of a sampling call that contradict each other or the model."""


class NumericalError(Rnd1Error):
    """A loss or gradient that is not finite, step after step, or a logit when a text is sampled. Exit code 3."""

    exit_code = 3


class CheckpointError(Rnd1Error):
    """A checkpoint of ours that is damaged. Exit code 4."""

    exit_code = 4


class PluginError(Rnd1Error):
    """A plug-in that failed: its name, package and version, and what it raised. Exit code 5."""

    exit_code = 5


class OtherRankFailed(Rnd1Error):
    """Another rank ended the run and says why itself; text and exit code are that rank's."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class Stopped(Rnd1Error):
    """A signal ended the run after it was saved. Exit code 75 (SIGTERM, SIGUSR1) or 130 (Ctrl-C)."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code
