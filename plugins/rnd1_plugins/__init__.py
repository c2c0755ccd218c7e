"""The first-party components, delivered through the same entry-point group as anyone's.

One line a component: kind, name, where it lives. Nothing is imported before it is used.
"""

from pathlib import Path
from typing import Any

from rnd1lib import hookimpl


@hookimpl
def rnd1_register(register: Any) -> None:
    """Every component that ships with rnd1lib."""
    register.attention_mask("bidirectional", "rnd1_plugins.attention_masks.bidirectional:Bidirectional")
    register.attention_mask("causal", "rnd1_plugins.attention_masks.causal:Causal")
    register.attention_mask("annealing", "rnd1_plugins.attention_masks.annealing:Annealing")
    register.attention_mask("band_annealing", "rnd1_plugins.attention_masks.band_annealing:BandAnnealing")
    register.attention_mask("grafting", "rnd1_plugins.attention_masks.grafting:Grafting")
    register.attention_mask("block_causal", "rnd1_plugins.attention_masks.block_causal:BlockCausal")
    register.attention_mask("block_diffusion", "rnd1_plugins.attention_masks.block_diffusion:BlockDiffusion")

    register.noise("linear", "rnd1_plugins.noise.linear:Linear")
    register.noise("cosine", "rnd1_plugins.noise.cosine:Cosine")
    register.noise("cosine_squared", "rnd1_plugins.noise.cosine_squared:CosineSquared")
    register.noise("geometric", "rnd1_plugins.noise.geometric:Geometric")
    register.noise("log_linear", "rnd1_plugins.noise.log_linear:LogLinear")
    register.noise("polynomial", "rnd1_plugins.noise.polynomial:Polynomial")

    register.objective("mdlm", "rnd1_plugins.objectives.mdlm:Mdlm")
    register.objective("a2d_shift", "rnd1_plugins.objectives.a2d_shift:A2dShift")
    register.objective("autoregressive", "rnd1_plugins.objectives.autoregressive:Autoregressive")

    register.lr_groups("uniform", "rnd1_plugins.lr_groups.uniform:Uniform")
    register.lr_groups("attention_first", "rnd1_plugins.lr_groups.attention_first:AttentionFirst")

    register.sampler("rnd1_entropy", "rnd1_plugins.samplers.rnd1_entropy:Rnd1Entropy")
    register.sampler("llada", "rnd1_plugins.samplers.llada:Llada")
    register.sampler("dream", "rnd1_plugins.samplers.dream:Dream")
    register.sampler("threshold", "rnd1_plugins.samplers.threshold:Threshold")
    register.sampler("factor", "rnd1_plugins.samplers.factor:Factor")
    register.sampler("left_to_right", "rnd1_plugins.samplers.left_to_right:LeftToRight")
    register.sampler("ancestral", "rnd1_plugins.samplers.ancestral:Ancestral")
    register.sampler("p2", "rnd1_plugins.samplers.p2:P2")

    register.model("qwen3", "rnd1_plugins.models.qwen3:Qwen3")
    register.model("qwen3_moe", "rnd1_plugins.models.qwen3_moe:Qwen3Moe")
    register.model("qwen2", "rnd1_plugins.models.qwen2:Qwen2")
    register.model("llama", "rnd1_plugins.models.llama:Llama")
    register.model("llada", "rnd1_plugins.models.llada:Llada")
    register.model("llada_moe", "rnd1_plugins.models.llada_moe:LladaMoe")

    register.data("python_docs", "rnd1_plugins.data.python_docs:PythonDocs")
    register.data("text", "rnd1_plugins.data.text:Text")
    register.data("jsonl", "rnd1_plugins.data.jsonl:Jsonl")
    register.data("parquet", "rnd1_plugins.data.parquet:Parquet")
    register.data("hub", "rnd1_plugins.data.hub:Hub")
    register.data("mix", "rnd1_plugins.data.mix:Mix")
    register.data("chat", "rnd1_plugins.data.chat:Chat")
    register.data("tokens", "rnd1_plugins.data.tokens:Tokens")

    register.evaluator("nll", "rnd1_plugins.evaluators.nll:Nll")
    register.evaluator("moved", "rnd1_plugins.evaluators.moved:Moved")

    register.callback("console", "rnd1_plugins.callbacks.console:Console")
    register.callback("tensorboard", "rnd1_plugins.callbacks.tensorboard:Tensorboard")
    register.callback("sample", "rnd1_plugins.callbacks.sample:Sample")


@hookimpl
def rnd1_recipe_dirs() -> list[Path]:
    """The shipped recipes: inside the wheel, or the source tree's folder in an editable install."""
    here = Path(__file__).resolve().parent
    return [next(folder for folder in (here / "recipes", here.parents[1] / "recipes") if folder.is_dir())]
