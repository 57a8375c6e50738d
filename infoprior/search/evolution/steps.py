"""The steps of an evolution: train, judge the last change, assess, decide, act, write."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from infoprior._progress import Stage
from infoprior.files import remove_leftovers, write_atomically
from infoprior.profiles import Recipe
from infoprior.search.evolution.chain import widths
from infoprior.search.evolution.costs import assessment_epochs, epoch_cost
from infoprior.search.evolution.decision import Action, decide, decide_at_random, random_units
from infoprior.search.evolution.dynamics import output_divergence, structure, structure_rate
from infoprior.search.evolution.errors import EvolutionError
from infoprior.search.evolution.individual import Individual, fingerprint, load_state, save_state
from infoprior.search.evolution.learning import train_epochs
from infoprior.search.evolution.settings import EvolutionSettings, Memory
from infoprior.search.evolution.states import LayerShape, LayerState, assess_structure, describe
from infoprior.search.evolution.threshold import adaptive_threshold, task_complexity
from infoprior.tasks import Task
from infoprior.training._data import TaskTensors
from infoprior.training._engines.settings import TrainingSettings

BLEND_STEP = 0.5
"""What a step adds to the share of modules that are blended in: two steps until they are there."""
KL_ROWS = 1000
"""Validation rows on which a change of answers is measured, at most."""
ROUNDING = 1e-9
"""Of sums of costs, in epochs."""
MEASURED = ("information", "importance", "share", "rank", "rate")
"""Columns of a structure that are missing where it wasn't assessed."""
NOT_ASSESSED = "not_assessed"
"""The flag there."""
STALLED = 2
"""Steps without a better validation loss after which structure is mutated or deepened."""


@dataclass
class Run:
    """Everything that changes: what a file holds between two steps.

    Attributes:
        now: the network that is trained.
        before: the same before a change that isn't judged yet.
        best: that of the least validation loss at the end of a step.
        state: what JSON can hold.
    """

    now: Individual
    before: Individual | None
    best: Individual
    state: dict[str, Any]


class Search:
    """One evolution: the same steps from the same arguments."""

    def __init__(
        self,
        task: Task,
        settings: EvolutionSettings,
        training: TrainingSettings,
        seed: int,
        total: float,
        unit: float | None,
        strategy: str,
        kinds: dict[int, tuple[str, str]] | None,
        recipe: Recipe,
        memory: Memory | None,
        out: Path | None,
        first: nn.Module,
    ) -> None:
        self.settings, self.training, self.seed, self.total = settings, training, seed, total
        self.strategy, self.kinds, self.recipe, self.memory = strategy, kinds, recipe, memory
        self.out, self.first, self.unit = out, first, unit
        self.data = TaskTensors(task)
        train, validation, _ = self.data.sizes
        self.x = self.data.x[: train + validation]
        self.y = self.data.y[: train + validation].numpy()
        self.held_out = self.data.x[train : train + validation][:KL_ROWS]
        self.task = task
        memory_key = None
        if memory is not None:
            memory_key = [fingerprint(memory.network), float(memory.x.double().sum()), memory.gamma]
        self.key = {
            "first": fingerprint(first), "task": task.digest, "settings": asdict(settings),
            "training": list(training), "seed": seed, "total": total, "unit": unit,
            "strategy": strategy,
            "kinds": None if kinds is None else sorted(kinds.items()),
            "recipe": recipe.id, "memory": memory_key,
        }  # fmt: skip
        charge = settings.assessment_cost
        if charge is None:
            charge = assessment_epochs(recipe, len(self.y), train)
        self.charge = charge

    # The run ---------------------------------------------------------------------------------

    def run(self, stage: Stage) -> Run:
        """Until the budget is spent, but for less than an epoch."""
        run = self._begin()
        stage.done = int(run.state["cost"])
        while self._left(run) >= 1:
            self._step(run, min(self.settings.interval, self._left(run)))
            self._write(run)
            stage.done = int(run.state["cost"])
        return run

    def _left(self, run: Run, reserved: float = 0.0) -> int:
        """Whole epochs that the budget still pays for once `reserved` is spent."""
        left = self.total - run.state["cost"] - reserved
        return math.floor(left / self._epoch_cost(run) + ROUNDING)

    def _epoch_cost(self, run: Run) -> float:
        return epoch_cost(run.now.network, self.x, self.unit)

    def _begin(self) -> Run:
        key = json.loads(json.dumps(self.key))
        path = None if self.out is None else self.out / "state.safetensors"
        if path is not None and path.exists():
            individuals, state = load_state(path, self.first, self.x[:64])
            if state["key"] != key:
                differ = sorted(name for name in key if state["key"].get(name) != key[name])
                raise EvolutionError(
                    f"{self.out} holds another evolution, of another {', '.join(differ)}; name "
                    "another folder."
                )
            return Run(individuals["now"], individuals.get("before"), individuals["best"], state)
        state = {
            "key": key, "epoch": 0, "cost": 0.0, "step": 0, "best_loss": None, "waited": 0,
            "pending": None, "resting": [], "ranking": None, "divergence": 0.0, "curve": [],
            "structure": [], "events": [], "structures": [],
        }  # fmt: skip
        return Run(Individual(self.first), None, Individual(copy.deepcopy(self.first)), state)

    def _step(self, run: Run, n: int) -> None:
        """Train for an interval, judge the last change, and make the next one."""
        state = run.state
        state["step"] += 1
        state["cost"] += n * self._epoch_cost(run)
        rows = train_epochs(
            run.now, self.data, self.training,
            seed=self.seed, first=state["epoch"] + 1, n=n, memory=self.memory,
        )  # fmt: skip
        state["epoch"] += n
        state["curve"] += rows
        loss = float(rows[-1]["validation_loss"])
        self._judge(run, loss)
        states = self._ranking(run)
        shapes = states or describe(run.now.network, self.x, self.settings)
        self._note(run, shapes)
        state["structures"].append(structure(widths(run.now.network)))
        if state["pending"] is not None:
            run.now.advance(BLEND_STEP)
        elif self._left(run) >= self.settings.interval and (states or self.strategy == "random"):
            self._act(run, shapes, states, state["last_loss"])

    def _judge(self, run: Run, loss: float) -> None:
        """Keep the last change or undo it, and note the best network so far.

        A change that is being blended in is judged at every step, and kept once it is there.
        """
        state, pending = run.state, run.state["pending"]
        state["ranking"] = None
        state["resting"] = [[*key, n - 1] for *key, n in state["resting"] if n > 1]
        if pending is not None:
            bound = pending["loss"] * (1.0 + self.settings.margin)
            if not math.isfinite(loss) or loss > bound:
                self._log(run, "undone", *pending["key"][1:], loss=loss)
                assert run.before is not None
                run.now, run.before = run.before, None
                state["ranking"], state["pending"] = pending["ranking"], None
                state["resting"].append([*pending["key"], self.settings.rest])
                loss = pending["loss"]
            elif not run.now.blends:
                self._log(run, "kept", *pending["key"][1:], loss=loss)
                run.before, state["pending"] = None, None
                if pending["key"][0] == "deepen":
                    state["resting"] = []  # layers have other names
        state["last_loss"] = loss
        if math.isfinite(loss) and (state["best_loss"] is None or loss < state["best_loss"]):
            state["best_loss"], state["waited"] = loss, 0
            run.best = Individual(copy.deepcopy(run.now.network), {}, run.now.operations)
        else:
            state["waited"] += 1

    def _ranking(self, run: Run) -> list[LayerState] | None:
        """The layers assessed where that can decide anything, which is charged to the budget.

        After a change was undone the assessment of before it holds again, at no charge. There is
        none for random surgery, while a change is still being blended in, and where the budget
        doesn't pay for another interval, in which what is decided could be learned and judged.
        """
        state = run.state
        if state["ranking"] is not None:
            return [LayerState(**{**row, "flags": tuple(row["flags"])}) for row in state["ranking"]]
        if (
            self.strategy == "random"
            or state["pending"] is not None
            or self._left(run, self.charge) < self.settings.interval
        ):
            return None
        states = assess_structure(
            run.now.network, self.x, self.y, self.settings, self.seed, self.recipe
        )
        state["cost"] += self.charge
        state["ranking"] = [asdict(each) for each in states]
        return states

    # Changes ---------------------------------------------------------------------------------

    def _decide(
        self,
        run: Run,
        shapes: Sequence[LayerShape],
        states: Sequence[LayerState] | None,
        tau: float,
        rng: np.random.Generator,
    ) -> Action | None:
        state = run.state
        if states is None:
            kind = None if self.kinds is None else self.kinds.get(state["step"], ("", ""))
            return decide_at_random(shapes, self.settings, rng, kind)
        resting = {(kind, layer, attribute) for kind, layer, attribute, _ in state["resting"]}
        stalled = state["waited"] >= STALLED
        return decide(states, tau, self.settings, resting, stalled, rng)

    def _act(
        self,
        run: Run,
        shapes: Sequence[LayerShape],
        states: Sequence[LayerState] | None,
        loss: float,
    ) -> None:
        state, tau = run.state, self._tau(run, len(shapes))
        rng = np.random.default_rng([self.seed, 2, state["step"]])
        action = self._decide(run, shapes, states, tau, rng)
        if action is None:
            self._log(run, "rest", tau=tau, loss=loss)
            return
        before = next(each for each in shapes if each.layer == action.layer)
        changed, action, kl = self._attempt(run, action, before.width, rng)
        key = (action.kind, action.layer, action.attribute)
        values = before.choices[action.attribute][0] if action.attribute else "", action.value
        self._log(
            run, "refused" if changed is None else action.kind, *key[1:], values,
            widths=(before.width, action.width or before.width), tau=tau, kl=kl, loss=loss,
        )  # fmt: skip
        if changed is None:
            state["resting"].append([*key, self.settings.rest])
            return
        run.before, run.now = run.now, changed
        state["divergence"] = kl
        state["pending"] = {"key": key, "loss": loss, "ranking": state["ranking"]}

    def _attempt(
        self, run: Run, action: Action, width: int, rng: np.random.Generator
    ) -> tuple[Individual | None, Action, float]:
        """The changed network within the KL bound; pruning takes half as many units until it is."""
        kl = 0.0
        while True:
            operation: dict[str, Any] = {
                "kind": action.kind, "layer": action.layer, "width": action.width,
                "attribute": action.attribute, "value": action.value,
                "seed": int(rng.integers(2**31)),
            }  # fmt: skip
            if action.kind == "prune" and self.strategy == "random":
                operation["keep"] = random_units(width, action.width, rng).tolist()
            changed, _ = run.now.operated(operation, self.x[:: -(-len(self.x) // KL_ROWS)])
            if action.kind == "mutate":
                changed.advance(BLEND_STEP)
            kl = self._divergence(run.now.network, changed.network)
            if self.strategy == "random" or kl <= self.settings.kl_bound:
                return changed, action, kl
            if action.kind != "prune":
                return None, action, kl
            target = width - (width - action.width) // 2
            if target == action.width or target >= width:
                return None, action, kl
            action = replace(action, width=target)

    def _divergence(self, old: nn.Module, new: nn.Module) -> float:
        value = output_divergence(old, new, self.held_out)
        if self.memory is not None:
            value = max(value, output_divergence(old, new, self.memory.x[:KL_ROWS]))
        return value

    def _tau(self, run: Run, depth: int) -> float:
        own = self.settings
        n_train = self.data.sizes[0]
        complexity = task_complexity(n_train, self.task.n_classes, self.task.n_features, depth)
        return adaptive_threshold(
            run.state["epoch"], complexity, tau_0=own.tau_0, gamma=own.gamma, delta=own.delta
        )

    # Records ---------------------------------------------------------------------------------

    def _log(
        self,
        run: Run,
        event: str,
        layer: str = "",
        attribute: str = "",
        values: tuple[str, str] = ("", ""),
        *,
        loss: float,
        widths: tuple[int, int] = (0, 0),
        tau: float = 0.0,
        kl: float = 0.0,
    ) -> None:
        run.state["events"].append(
            {
                "step": run.state["step"], "epoch": run.state["epoch"], "event": event,
                "layer": layer, "width_before": widths[0], "width_after": widths[1],
                "attribute": attribute, "value_before": values[0], "value_after": values[1],
                "tau": tau, "divergence": kl, "validation_loss": loss,
            }
        )  # fmt: skip

    def _note(self, run: Run, shapes: Sequence[LayerShape]) -> None:
        lost, gamma = 0.0, 0.0
        if self.memory is not None:
            gamma = self.memory.gamma
            lost = output_divergence(self.memory.network, run.now.network, self.memory.x[:KL_ROWS])
        for i, each in enumerate(shapes):
            row: dict[str, Any] = {
                "step": run.state["step"], "epoch": run.state["epoch"], "layer": each.layer,
                "layer_index": i, "width": each.width, "cost": run.state["cost"],
            }  # fmt: skip
            if isinstance(each, LayerState):
                rate = structure_rate(
                    each.information, run.state["divergence"], alpha=self.settings.alpha,
                    beta=self.settings.beta, memory=lost, gamma=gamma,
                )  # fmt: skip
                row |= {
                    "information": each.information, "importance": each.importance,
                    "share": each.share, "rank": each.rank, "rate": rate,
                    "flags": ",".join(each.flags),
                }  # fmt: skip
            else:
                row |= {**dict.fromkeys(MEASURED), "flags": NOT_ASSESSED}
            run.state["structure"].append(row)
        if isinstance(shapes[0], LayerState):
            run.state["divergence"] = 0.0

    def _write(self, run: Run) -> None:
        if self.out is None:
            return
        self.out.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.out)
        individuals = {"now": run.now, "before": run.before, "best": run.best}
        save_state(self.out / "state.safetensors", individuals, run.state)
        text = "".join(json.dumps(event, sort_keys=True) + "\n" for event in run.state["events"])
        write_atomically(self.out / "events.jsonl", text)
