"""The run around the training step: resume or initial weights, evaluators, callbacks, checkpoints, signals."""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import torch
import torch.distributed as dist
from torchtitan.distributed import utils as dist_utils

from rnd1lib.data import Tally
from rnd1lib.errors import PluginError, Rnd1Error, Stopped
from rnd1lib.kinds import StructuralMask
from rnd1lib.titan.checkpoint.checkpoints import Checkpoints
from rnd1lib.titan.grafting.before_step import BeforeStep
from rnd1lib.titan.optimizer.group_table import show_groups
from rnd1lib.titan.optimizer.moved import Beginning
from rnd1lib.titan.preparation.initial_weights import load_initial_weights
from rnd1lib.titan.preparation.precision import precision_notes
from rnd1lib.titan.preparation.prepared import Prepared
from rnd1lib.titan.records import Records, finite
from rnd1lib.titan.running import RunInProgress, RunningModel
from rnd1lib.titan.signals import StopSignals
from rnd1lib.titan.trainer import DiffusionTrainer, StepResult

if TYPE_CHECKING:
    from rnd1lib.recipe import Recipe


class Loop:
    """Drives a trainer from its first or resumed step to the last one."""

    def __init__(
        self, recipe: Recipe, prepared: Prepared, trainer: DiffusionTrainer, records: Records, signals: StopSignals
    ) -> None:
        self.recipe, self.prepared, self.trainer = recipe, prepared, trainer
        self.records, self.signals = records, signals
        self.checkpoints = cast(Checkpoints, trainer.checkpointer)
        self.saved_step = -1
        self.beginning: Beginning | None = None
        self.last_step = min(prepared.steps, recipe.run.stop_after or prepared.steps)
        self.before_step = BeforeStep(trainer, prepared.rows_from_the_start, lambda: self._save(last=True))
        self.run_in_progress = RunInProgress(
            steps=prepared.steps, folder=records.folder, recipe=recipe.tree, make_model=self._model
        )

    def run(self) -> None:
        """To the last step, or to the first signal; saved either way. Raises Stopped after a signal."""
        error: BaseException | None = None
        try:
            self._start()
            self._steps()
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._tell("on_end", error)

    def _start(self) -> None:
        trainer = self.trainer
        evaluators = self.recipe.components.evaluators.values()
        if any(getattr(evaluator, "from_the_beginning", False) for evaluator in evaluators):
            self._load_initial_weights()
            self.beginning = Beginning(trainer.network, self.prepared.claims)
        resumed = trainer.checkpointer.load(step=trainer.config.checkpoint.load_step)
        if resumed:
            self.saved_step = trainer.step
        elif self.beginning is None:
            self._load_initial_weights()
        self.run_in_progress.step = trainer.step
        self.records.cut_back(trainer.step)
        self.records.status("running", step=trainer.step)
        show_groups(self.prepared.claims, trainer.network)
        if dist.get_rank() == 0:
            for note in precision_notes(self.recipe.train.precision, self.prepared.model_config):
                print(note, file=sys.stderr)
            if resumed:
                print("resumed from step {}, {}".format(*self.checkpoints.loaded or ()), file=sys.stderr, flush=True)
        self._tell("on_start")
        if not resumed:
            self._evaluate(every_one=True)

    def _load_initial_weights(self) -> None:
        sources = self.recipe.components.model.tensors(self.prepared.model_config)
        load_initial_weights(self.trainer.network, self.prepared.plan.start, sources, self.prepared.mask_row)

    def _steps(self) -> None:
        trainer = self.trainer
        first = trainer.step
        rows = trainer.batch_generator(trainer.dataloader)
        with trainer.config.profiler.build(global_step=trainer.step, base_folder=str(self.records.folder)) as profiler:
            while trainer.step < self.last_step and not (code := self._agreed_exit_code()):
                self._change()
                trainer.step += 1
                trainer.gc_handler.run(trainer.step)
                began = time.perf_counter()
                result = trainer.train_step(rows)
                self._after_step(result, time.perf_counter() - began)
                profiler.step()
                if trainer.step == first + 1:  # the first step may compile; from now on a silent rank is a dead one
                    timeout = timedelta(seconds=trainer.config.comm.train_timeout_seconds)
                    dist_utils.set_pg_timeouts(timeout=timeout, parallel_dims=trainer.parallel_dims)
        if trainer.step < self.last_step:
            self._save(last=True)
            raise Stopped(f"{self.records.folder}: stopped by a signal after step {trainer.step}, and saved.", code)
        if trainer.step == first:
            print(f"{self.records.folder}: step {first} of {self.prepared.steps} is done already.", file=sys.stderr)
        self.records.status("done" if trainer.step == self.prepared.steps else "stopped", step=trainer.step, exit_code=0)

    def _change(self) -> None:
        """What the attention mask does to the model between two steps."""
        mask = self.recipe.components.attention_mask
        if isinstance(mask, StructuralMask):
            self.before_step.begin()
            self._call("attention_mask", mask.before_step, self.before_step)

    def _after_step(self, result: StepResult, seconds: float) -> None:
        step = self.run_in_progress.step = self.trainer.step
        figures = {
            "step": step,
            "loss": result.loss,
            "tokens": result.tokens,
            "masked": result.masked,
            "grad_norm": result.grad_norm,
            "lr": result.lr,
            **({"skipped": True} if result.skipped else {}),
            **result.figures,
            "seconds": round(seconds, 4),
            "tokens_per_second": round(result.tokens / seconds, 1),
        }
        line = finite(figures)
        self.records.append(line)
        if step == self.last_step and "documents" in line and dist.get_rank() == 0:
            print(f"data: {Tally(**line['documents'])}", file=sys.stderr, flush=True)
        if step == self.last_step or not result.skipped:
            self._save(last=step == self.last_step)
        for name, callback in self.recipe.components.callbacks.items():
            if step % self.recipe.callbacks[name].every == 0 or step == self.last_step:
                self._call(name, callback.on_step, self.run_in_progress, line)
        self._evaluate(every_one=step == self.prepared.steps)

    def _save(self, *, last: bool) -> None:
        """Once a step at most: a whole checkpoint is never written over."""
        trainer = self.trainer
        if trainer.step != self.saved_step and trainer.checkpointer.save(trainer.step, last_step=last):
            self.saved_step = trainer.step
        for path in self.checkpoints.written():
            self._tell("on_checkpoint", path)

    def _evaluate(self, *, every_one: bool) -> None:
        for name, evaluator in self.recipe.components.evaluators.items():
            if every_one or self.trainer.step % self.recipe.evaluators[name].every == 0:
                network = self.trainer.network
                network.eval()
                figures = self._call(name, evaluator.evaluate, self._model(self.trainer.step), step=self.trainer.step)
                network.train()
                self.records.append({"step": self.trainer.step, "evaluator": name, **figures})
                self._tell("on_evaluation", name, figures)

    def _model(self, step: int) -> RunningModel:
        prepared, components = self.prepared, self.recipe.components
        config = prepared.model_config
        return RunningModel(
            self.trainer.network,
            objective=components.objective,
            held_out_batches=prepared.held_out_batches,
            beginning=self.beginning,
            config=config,
            shift=components.objective.shift,
            mask_token_id=prepared.facts.mask_token_id,
            attention_mask=components.attention_mask,
            step=step,
            eos_token_id=config["eos_token_id"],
            pad_token_id=config.get("pad_token_id"),
            bos_token_id=config.get("bos_token_id"),
            tokenizer=prepared.tokenizer,
            noise=components.noise,
        )

    def _agreed_exit_code(self) -> int:
        """The exit code that a signal on any rank asks for, or 0: every rank leaves after the same step."""
        code = torch.tensor(self.signals.exit_code, device=self.trainer.device)
        dist.all_reduce(code, op=dist.ReduceOp.MAX)
        return int(code)

    def _tell(self, event: str, *arguments: Any) -> None:
        for name, callback in self.recipe.components.callbacks.items():
            self._call(name, getattr(callback, event), self.run_in_progress, *arguments)

    def _call(self, name: str, method: Any, *arguments: Any, **options: Any) -> Any:
        """A plug-in's method; what it raises stops the run and bears its name.

        A compiled network is not compiled for it: its rows have lengths and documents of their own.
        """
        try:
            with torch.compiler.set_stance("force_eager"):
                return method(*arguments, **options)
        except Rnd1Error:
            raise
        except Exception as error:
            who = f"{type(method.__self__).__module__}.{method.__qualname__}"
            raise PluginError(
                f"'{name}' ({who}) failed at step {self.trainer.step}: {type(error).__name__}: {error}"
            ) from error
