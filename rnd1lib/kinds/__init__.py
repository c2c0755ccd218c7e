"""The nine contracts and the values they exchange: all that a plug-in author reads.

Legend of shapes: B rows, L positions, V vocabulary, N positions asked about. Ids are int64; times, weights and
log-probabilities float32. `step` counts from 0. Nothing here imports torch.

component        the nine kinds by name, and `Component`, the field type that holds a nested one
data             documents, and the batch that packing makes of them
noise            how fast masks come, and what corruption hands on
objective        which logit row is scored against which token, with what weight
attention_mask   who sees whom at a step
lr_groups        which parameters learn, and how fast
model            which network, in which sizes, and how Hugging Face names its tensors
sampler          how many positions a step commits, which, and with what token
evaluator        figures of a model while it trains
callback         watches a run and changes nothing
denoiser         no kind of component: a model as sampling, likelihood and evaluation see it
"""

from rnd1lib.kinds.attention_mask import AttentionMask, Captured, DoubledMask, Pattern, RunBeforeStep, StructuralMask
from rnd1lib.kinds.callback import Callback, Run
from rnd1lib.kinds.component import KINDS, Component, Kind
from rnd1lib.kinds.data import Batch, Conversation, Data, Document, Skipped
from rnd1lib.kinds.denoiser import Cache, CachingDenoiser, Denoiser
from rnd1lib.kinds.evaluator import Evaluator, ModelInTraining
from rnd1lib.kinds.lr_groups import Group, LrGroups
from rnd1lib.kinds.model import Build, Model, TensorSource
from rnd1lib.kinds.noise import Noise, Noised
from rnd1lib.kinds.objective import Objective, Targets
from rnd1lib.kinds.sampler import Decision, Parity, Sampler, Scores, View

__all__ = [
    "KINDS",
    "AttentionMask",
    "Batch",
    "Build",
    "Cache",
    "CachingDenoiser",
    "Callback",
    "Captured",
    "Component",
    "Conversation",
    "Data",
    "Decision",
    "Denoiser",
    "Document",
    "DoubledMask",
    "Evaluator",
    "Group",
    "Kind",
    "LrGroups",
    "Model",
    "ModelInTraining",
    "Noise",
    "Noised",
    "Objective",
    "Parity",
    "Pattern",
    "Run",
    "RunBeforeStep",
    "Sampler",
    "Scores",
    "Skipped",
    "StructuralMask",
    "Targets",
    "TensorSource",
    "View",
]
