"""`evolve`: a live network whose structure follows the information in its layers."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import nn

from infoprior._ambient import default_settings
from infoprior._arguments import check_seed, file_path, instance_of, real_number, whole_number
from infoprior._progress import progress_line
from infoprior._threads import use_threads
from infoprior.profiles import Recipe
from infoprior.search.evolution.chain import read_chain
from infoprior.search.evolution.costs import RECIPE
from infoprior.search.evolution.dynamics import convergence
from infoprior.search.evolution.errors import EvolutionError
from infoprior.search.evolution.reading import forward
from infoprior.search.evolution.settings import EvolutionSettings, Memory
from infoprior.search.evolution.steps import MEASURED, ROUNDING, Run, Search
from infoprior.spaces import SearchSpace
from infoprior.tasks import Task
from infoprior.training import RUNGS
from infoprior.training._engines.settings import TrainingSettings
from infoprior.training._setup import training_settings

STRATEGIES = ("information", "random")


@dataclass(frozen=True)
class Evolution:
    """What `evolve` gives.

    Attributes:
        network: of the least validation loss at the end of a step, in evaluation mode; it holds a
            `Blend` where that was while a change was being blended in.
        curve: one row an epoch, with the columns of `infoprior.training.CURVE_COLUMNS`.
        structure: one row for each step and hidden layer: step, epoch, layer, layer_index, width,
            information, importance (nats), share (importance over H(O)), rank (share of its units
            that are used), rate (dS/dt, see `structure_rate`), flags, cost (spent until
            then, full trainings). What was measured is missing and the flag "not_assessed" at
            steps without an assessment.
        events: one row an event: step, epoch, event ("prune", "widen", "deepen", "mutate", then
            "kept" or "undone"; "refused" where the KL bound doesn't allow it; "rest"), layer,
            width_before, width_after, attribute (what a mutation changes: "activation",
            "normalization", "kernel", "stride"), value_before, value_after, tau, divergence (nats),
            validation_loss.
        convergence: see `convergence`; one row a step.
        epochs: that were trained.
        cost: that was spent, of training and assessments, in full trainings.
    """

    network: nn.Module
    curve: pd.DataFrame
    structure: pd.DataFrame
    events: pd.DataFrame
    convergence: pd.DataFrame
    epochs: int
    cost: float


@default_settings()
def evolve(
    network: nn.Module | Mapping[str, Any],
    task: Task,
    *,
    budget: float = 1.0,
    epochs: int = RUNGS[-1],
    unit: float | None = None,
    space: SearchSpace | None = None,
    learning_rate: float = 1e-3,
    weight_decay: float = 1e-2,
    batch_size: int = 64,
    seed: int = 0,
    strategy: str = "information",
    schedule: pd.DataFrame | None = None,
    settings: EvolutionSettings | None = None,
    recipe: Recipe | None = None,
    memory: Memory | None = None,
    out: str | os.PathLike[str] | None = None,
    threads: int = 1,
    progress: bool = True,
) -> Evolution:
    """Train a network and change its structure by what its layers say of the classes (section 5).

    Every `settings.interval` epochs the layers are assessed, and one of them is pruned, expanded or
    mutated, or none: see `decide`. Growth leaves the outputs as they are; pruning has to keep the
    network's answers within the KL bound, and removes fewer units where it doesn't. If validation
    gets worse over the interval that follows, the network is put back to before the change, and
    its assessment isn't made again.

    Args:
        network: what to begin with: see `read_chain`; left as it was. Or a point of `space`, whose
            learning rate, weight decay and batch size it is trained with.
        task: what to learn.
        budget: in full trainings of `epochs` epochs. An assessment is charged at the epochs that
            it costs, by a rule that knows no clock (`costs.assessment_epochs`: 1.1 epochs on 1,500
            training rows, 4 on 100) or as `settings.assessment_cost` says.
        epochs: of a full training.
        unit: multiply-adds of a row, forward (`network_multiply_adds`), of a network whose epoch
            counts as one: of a larger one it counts in proportion. None: every epoch counts as one,
            however large the network has become.
        space: that the point is of.
        learning_rate, weight_decay, batch_size: of a network that is no point.
        seed: draws the order of rows, dropout, estimates and choices.
        strategy: "information", or "random": the control, which changes random layers and prunes
            random units (without KL bound), and puts back what makes validation worse as well. It
            assesses nothing and is charged for nothing, so that it trains for longer; give it
            `epochs` of another run as its budget to train it as long.
        schedule: events of another run, for "random": the same kinds of change at the same steps.
        settings: of the evolution.
        recipe: how layers are measured; None: by linear discriminants (`costs.RECIPE`). As profiles
            are, by `infoprior.profiles.get_recipe("tabular")`, costs six times as much.
        memory: an earlier task that is not to be forgotten.
        out: folder that holds the state: after a kill the same call resumes, and gives what it
            would have given.
        threads: of PyTorch and of matrix products.
        progress: show it on the terminal.

    Returns:
        the best network, and what happened.

    Raises:
        EvolutionError: the network cannot be operated on, an argument is invalid, or `out` holds
            another run.
        SpaceError: the point does not fit the space.
    """
    instance_of(task, Task, "task", "give a Task, as load_task returns it", EvolutionError)
    settings = settings or EvolutionSettings()
    instance_of(settings, EvolutionSettings, "settings", "give EvolutionSettings()", EvolutionError)
    seed = check_seed(seed, EvolutionError)
    epochs = whole_number(epochs, "epochs", 1, EvolutionError)
    total = real_number(budget, "budget", 0.0, above=True, error=EvolutionError) * epochs
    if total < 1.0 - ROUNDING:
        raise EvolutionError(f"budget = {budget} of {epochs} epochs is less than one epoch.")
    if unit is not None:
        unit = real_number(unit, "unit", 0.0, above=True, error=EvolutionError)
    if strategy not in STRATEGIES:
        raise EvolutionError(f"strategy is {strategy!r}; give one of {list(STRATEGIES)}.")
    kinds = _kinds(schedule)
    if isinstance(network, nn.Module):
        first = copy.deepcopy(network)
        training = TrainingSettings(
            real_number(learning_rate, "learning_rate", 0.0, error=EvolutionError),
            real_number(weight_decay, "weight_decay", 0.0, error=EvolutionError),
            whole_number(batch_size, "batch_size", 1, EvolutionError),
        )
    else:
        instance_of(space, SearchSpace, "space", "give that of the point", EvolutionError)
        assert space is not None
        if space.encodes_inputs:
            raise EvolutionError(
                f"Networks of the space {space.name!r} begin with an encoder of their inputs, "
                "which surgery does not know; give a point of another space, such as 'mlp'."
            )
        training = training_settings(space, network)
        first = space.build(network, task.shape, task.n_classes, seed=seed)
    read_chain(first)
    _check_outputs(first, task)
    search = Search(
        task, settings, training, seed, total, unit, strategy, kinds, recipe or RECIPE, memory,
        None if out is None else file_path(out, "out", EvolutionError), first,
    )  # fmt: skip
    with use_threads(threads), progress_line("evolving", int(total), show=progress) as stage:
        return _result(search.run(stage), epochs)


def _check_outputs(network: nn.Module, task: Task) -> None:
    kinds = {str(parameter.dtype) for parameter in network.parameters()}
    if kinds != {"torch.float32"}:
        raise EvolutionError(
            f"The network's parameters are {', '.join(sorted(kinds))}; torch.float32 is needed: "
            "give network.float()."
        )
    with torch.no_grad():
        logits = forward(network, torch.from_numpy(task.X[:2]))
    if tuple(logits.shape) != (2, task.n_classes):
        raise EvolutionError(
            f"The network gives {tuple(logits.shape)} for two rows; logits of shape "
            f"(2, {task.n_classes}) are needed."
        )


def _kinds(schedule: pd.DataFrame | None) -> dict[int, tuple[str, str]] | None:
    """Step -> kind of change, and the attribute that it mutated."""
    if schedule is None:
        return None
    instance_of(schedule, pd.DataFrame, "schedule", "give events of a run", EvolutionError)
    if not {"step", "event", "attribute"} <= set(schedule.columns):
        raise EvolutionError(
            f"schedule has the columns {list(schedule.columns)}; give the events of a run."
        )
    changes = schedule[schedule["event"].isin(["prune", "widen", "deepen", "mutate"])]
    kinds = zip(changes["event"].astype(str), changes["attribute"].astype(str), strict=True)
    return dict(zip(changes["step"].astype(int), kinds, strict=True))


def _result(run: Run, epochs: int) -> Evolution:
    state = run.state
    events = [
        "step", "epoch", "event", "layer", "width_before", "width_after", "attribute",
        "value_before", "value_after", "tau", "divergence", "validation_loss",
    ]  # fmt: skip
    structure = pd.DataFrame(state["structure"]).astype(dict.fromkeys(MEASURED, "float64"))
    return Evolution(
        run.best.network.eval(),
        pd.DataFrame(state["curve"]),
        structure.assign(cost=structure["cost"] / epochs),
        pd.DataFrame(state["events"], columns=events),
        convergence(state["structures"]),
        state["epoch"],
        state["cost"] / epochs,
    )
