"""The page that `rnd1 demo` writes: two loss curves, the held-out bounds, the samples and the commands, in one file.

It opens from disk and asks nothing of any server; whatever a model wrote is shown as text.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from html import escape
from string import Template
from typing import NamedTuple

SMOOTHED_STEPS = 10


class Arm(NamedTuple):
    """One training run: losses[k] is that of step k + 1; held_out is (finished steps, nats a token), in order."""

    losses: Sequence[float]
    held_out: Sequence[tuple[int, float]]


PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>rnd1 demo</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
body { color: #222; background: #fff; }
svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; }
th, td { text-align: left; padding: 0.2rem 1.5rem 0.2rem 0; border-bottom: 1px solid #ddd; }
pre { background: #f4f4f4; padding: 0.8rem; overflow-x: auto; white-space: pre-wrap; }
</style>
</head>
<body>
<h1>An autoregressive model becomes a masked diffusion model</h1>
<h2>Loss of both arms</h2>
<p>$explanation Dots are the bound on held-out text.</p>
$curves
<h2>Held-out bound, nats a token</h2>
$bounds
<h2>Samples</h2>
$samples
<h2>The commands</h2>
$commands
</body>
</html>
""")


def demo_page(explanation: str, arms: Mapping[str, Arm], samples: Mapping[str, str], commands: Sequence[str]) -> str:
    """The whole page; needs matplotlib. explanation: what the arms are, a sentence."""
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{arm.held_out[0][1]:.2f}</td><td>{arm.held_out[-1][1]:.2f}</td></tr>\n"
        for name, arm in arms.items()
    )
    return PAGE.substitute(
        explanation=escape(explanation),
        curves=loss_curves(arms),
        bounds=f"<table>\n<tr><th>start</th><th>before</th><th>after</th></tr>\n{rows}</table>",
        samples="\n".join(f"<h3>{escape(title)}</h3>\n<pre>{escape(text)}</pre>" for title, text in samples.items()),
        commands=f"<pre>{escape(chr(10).join(commands))}</pre>",
    )


def loss_curves(arms: Mapping[str, Arm]) -> str:
    """The training losses over the steps, as an SVG element: every step faint, a running mean on top."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "rnd1"}):
        figure = Figure(figsize=(8, 4), layout="constrained")
        axes = figure.add_subplot(xlabel="step", ylabel="nats a token")
        for colour, (name, arm) in zip(("C0", "C1"), arms.items(), strict=True):
            axes.plot(range(1, len(arm.losses) + 1), arm.losses, color=colour, alpha=0.25)
            axes.plot(range(1, len(arm.losses) + 1), running_mean(arm.losses), color=colour, label=name)
            axes.plot(*zip(*arm.held_out, strict=True), "o", color=colour)
        axes.legend()
        drawing = io.StringIO()
        figure.savefig(drawing, format="svg", metadata={"Creator": None, "Date": None, "Format": None, "Type": None})
    return drawing.getvalue()[drawing.getvalue().index("<svg") :]


def running_mean(values: Sequence[float]) -> list[float]:
    """The mean of each value and the ones before it, SMOOTHED_STEPS at most."""
    windows = [values[max(0, end - SMOOTHED_STEPS) : end] for end in range(1, len(values) + 1)]
    return [sum(window) / len(window) for window in windows]
