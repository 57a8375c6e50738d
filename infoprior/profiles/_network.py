"""Networks, profiled layer by layer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from infoprior._ambient import default_settings
from infoprior._arguments import check_seed, instance_of, whole_number
from infoprior._progress import progress_line
from infoprior._threads import use_threads
from infoprior.information import (
    Estimate,
    activation_entropy,
    choose_rows,
    dead_units,
    effective_rank,
    entropy,
    estimate,
    measure_layers,
    without_rounding_noise,
)
from infoprior.profiles._reading import Readable, read_activations
from infoprior.profiles._recipe import RECIPES, Recipe, check_recipe, recipe_for
from infoprior.profiles._schema import (
    CONSTANT,
    NON_FINITE,
    PROFILE_FLAGS,
    ProfileError,
    validate_profile,
)
from infoprior.tasks import Task


@dataclass(frozen=True)
class _Rows:
    """What all layers of a call share: inputs x, (n, ...), labels y, (n,), what rows were not
    trained on, bool (n,), and what draws."""

    x: np.ndarray
    y: np.ndarray
    unseen: np.ndarray
    seed: int
    threads: int


@dataclass(frozen=True)
class _Layer:
    """One layer of one network: its place, and its activations (n, width) or (n, C, H, W)."""

    architecture: str
    epoch: int
    name: str
    index: int
    t: np.ndarray


def profile_network(
    network: Readable,
    task: Task,
    *,
    seed: int = 0,
    recipe: Recipe | None = None,
    architecture: str = "",
    epoch: int = 0,
    threads: int = 1,
    progress: bool = True,
) -> pd.DataFrame:
    """I(X; T + sigma Z) and I(T; Y) in nats of every hidden layer T of a network, beside H(Y).

    `profile_networks` of one network: see there what the numbers mean.

    Args:
        network: has `layer_names` and `activations`; left as it was.
        task: X float32 (n, ...), y int64 (n,), row numbers of its parts.
        seed: draws rows and everything that the estimators draw.
        recipe: how to measure; None takes `recipe_for` each layer.
        architecture: goes into the column of that name; so does `epoch`.
        threads: of PyTorch and of matrix products during the call; results are the same only
            for the same number.
        progress: show on the terminal what is done, if it takes more than two seconds.

    Returns:
        one row per layer, in order, columns and dtypes of `PROFILE_COLUMNS`.

    Raises:
        ProfileError: as `profile_networks`.
        InformationError: as `profile_networks`.
    """
    return profile_networks(
        [(network, architecture, epoch)], task, seed=seed, recipe=recipe, threads=threads,
        progress=progress,
    )  # fmt: skip


@default_settings()
def profile_networks(
    networks: Iterable[tuple[Readable, str, int]],
    task: Task,
    *,
    seed: int = 0,
    recipe: Recipe | None = None,
    threads: int = 1,
    progress: bool = True,
) -> pd.DataFrame:
    """The layers of many networks on one task, measured as one stack.

    Rows are the task's training and validation rows, at most `recipe.max_rows` of them drawn by
    the seed; test rows are never looked at. Layers of like size are measured together.

    What the numbers mean, and what they do not:

    - `mi_xt` is I(X; T + sigma Z), Z standard normal, not I(X; T): of a deterministic network that
      is infinite (X continuous) or H(X) (X discrete) wherever T does not throw rows together,
      whatever was learned (Saxe et al. 2018; Goldfeld et al. 2019, "Estimating Information Flow in
      Deep Neural Networks"). With noise it is finite and says how finely T tells inputs apart at
      the scale `sigma`, which recipes set as a share of each layer's own spread. It cannot be told
      beyond log n: see the flag `xt:saturated`.
    - I(T; Y) is finite, at most H(Y). Its estimate falls short where T is wide and n small. The
      network was trained on most of these rows: `mi_ty` is of the rows it learned from, above what
      new rows would give where it overfits.
    - Every layer gets the same rows, and every layer of a width the same draws, so differences
      between layers are less noisy than the values. What else is in the stack changes a layer's
      values by rounding at most.

    Args:
        networks: (network, architecture, epoch) of each; the last two go into the columns of that
            name. Networks have `layer_names` and `activations`, and are left as they were.
        task: X float32 (n, ...), y int64 (n,), row numbers of its parts.
        seed: draws rows and everything that the estimators draw.
        recipe: how to measure; None takes `recipe_for` each layer.
        threads: of PyTorch and of matrix products during the call; results are the same only
            for the same number.
        progress: show on the terminal what is done, if it takes more than two seconds.

    Returns:
        one row per layer, network by network, columns and dtypes of `PROFILE_COLUMNS`. A layer that
        does not vary carries 0 nats and the flag `constant`; one whose activations are not finite
        (its network diverged) the same, and the flag `non_finite`.

    Raises:
        ProfileError: there is no network, one has no hidden layers or fails on the task's rows, a
            layer has not one row per input or another shape than (n, width) or (n, C, H, W), two
            networks have the same architecture and epoch, the recipe passes for another, or another
            argument is invalid.
        InformationError: fewer than 50 rows, inputs that are not finite, or options of the recipe
            that its method does not have.
    """
    instance_of(
        task, Task, "task", "give a Task, as read_table and load_task return it", ProfileError
    )
    networks = _check_networks(networks)
    seed = check_seed(seed, ProfileError)
    threads = whole_number(threads, "threads", 1, ProfileError)
    known = np.concatenate([task.train, task.validation])
    with use_threads(threads), progress_line("reading activations", show=progress) as stage:
        most = (check_recipe(recipe) if recipe else RECIPES["tabular"]).max_rows
        chosen = choose_rows(len(known), most, seed)
        numbers = known[chosen]
        rows = _Rows(
            task.X[numbers], task.y[numbers], chosen >= len(task.train), seed, threads
        )  # fmt: skip
        layers = [
            _Layer(architecture, epoch, name, index, t)
            for network, architecture, epoch in networks
            for index, (name, t) in enumerate(read_activations(network, rows.x).items())
        ]
        stage.description = f"measuring {len(layers)} layers"
        # A layer's recipe follows from its own shape, not from what else is in the stack.
        recipes = [recipe or recipe_for([layer.t]) for layer in layers]
        values: dict[int, dict[str, Any]] = {}
        for one in dict.fromkeys(recipes):
            read = [
                k for k, layer in enumerate(layers)
                if recipes[k] == one and np.isfinite(layer.t).all()
            ]  # fmt: skip
            if read:
                measure = _measure_at_once if one.one_pass else _measure
                measured = measure([layers[k].t for k in read], rows, one)
                values |= dict(zip(read, measured, strict=True))
        h_y = entropy(rows.y)
        table = [
            {
                "task": task.name,
                "architecture": layer.architecture,
                "seed": seed,
                "epoch": layer.epoch,
                "layer": layer.name,
                "layer_index": layer.index,
                "recipe": recipes[k].id,
                "width": int(np.prod(layer.t.shape[1:])),
                "n": len(rows.y),
                "h_y": h_y,
                **values.get(k, NON_FINITE_LAYER),
                **_parts(values.get(k), rows.unseen, recipes[k]),
            }
            for k, layer in enumerate(layers)
        ]
    return validate_profile(pd.DataFrame(table))


def _check_networks(
    networks: Iterable[tuple[Readable, str, int]],
) -> list[tuple[Readable, str, int]]:
    """Triples of a network, a text and a whole number.

    Raises:
        ProfileError: there are none, or something else.
    """
    try:
        triples = [(network, architecture, epoch) for network, architecture, epoch in networks]
    except (TypeError, ValueError):
        raise ProfileError(
            "networks holds something else than triples; give (network, architecture, epoch) of "
            "each, or one network to profile_network."
        ) from None
    if not triples:
        raise ProfileError("There is no network to profile.")
    for _, architecture, epoch in triples:
        instance_of(architecture, str, "architecture", "give a text", ProfileError)
        whole_number(epoch, "epoch", 0, ProfileError)
    return [(network, architecture, int(epoch)) for network, architecture, epoch in triples]


def _measure(layers: list[np.ndarray], rows: _Rows, recipe: Recipe) -> list[dict[str, Any]]:
    """The measured columns of each layer; all layers are one stack."""
    quiet = [without_rounding_noise(t) for t in layers]
    ty = estimate(
        quiet,
        rows.y,
        method=recipe.ty_method,
        discrete_y=True,
        seed=rows.seed,
        threads=rows.threads,
        **recipe.ty_options,
    )
    xt = estimate(
        rows.x,
        quiet,
        method=recipe.xt_method,
        discrete_y=False,
        seed=rows.seed,
        threads=rows.threads,
        **recipe.xt_options,
    )
    assert not isinstance(ty, Estimate)
    assert not isinstance(xt, Estimate)
    values = []
    for t, ty_one, xt_one in zip(layers, ty, xt, strict=True):
        flat = t.reshape(len(t), -1)
        statistics = {
            "effective_rank": effective_rank(flat),
            "dead_units": dead_units(flat),
            "activation_entropy": activation_entropy(flat),
        }
        values.append(_values(ty_one, xt_one, statistics))
    return values


def _measure_at_once(layers: list[np.ndarray], rows: _Rows, recipe: Recipe) -> list[dict[str, Any]]:
    """`_measure` by a recipe of `one_pass`, with the information of its parts."""
    options = {**recipe.ty_options, **recipe.xt_options}
    measured = measure_layers(
        layers,
        rows.y,
        rows.unseen.astype(np.int64),
        seed=rows.seed,
        threads=rows.threads,
        **options,
    )
    values = []
    for one in measured:
        statistics = {name: getattr(one, name) for name in _STATISTICS}
        parts = (*one.ty_parts, 0.0)[:2]  # no validation row may have been drawn
        values.append(_values(one.ty, one.xt, statistics) | dict(zip(_PARTS, parts, strict=True)))
    return values


_TY = {
    "mi_ty_train": "train",
    "mi_ty_validation": "validation",
    "mi_ty_test": "test",
    "mi_ty_fold_spread": "fold_spread",
    "step_ty": "step",
}
_XT = {"mi_xt_lower": "lower", "mi_xt_upper": "upper", "sigma": "sigma"}
_STATISTICS = ("effective_rank", "dead_units", "activation_entropy")
_PARTS = ("mi_ty_training_rows", "mi_ty_validation_rows")

NON_FINITE_LAYER = {
    **dict.fromkeys(("mi_xt", "mi_ty", *_TY, *_XT, *_STATISTICS), 0.0),
    "flags": f"{CONSTANT},{NON_FINITE}",
}
"""The values of a layer whose activations are not finite."""


def _values(ty: Estimate, xt: Estimate, statistics: dict[str, float]) -> dict[str, Any]:
    """The columns that are measured of one layer."""
    flags = {f"ty:{flag}" for flag in ty.flags} | {f"xt:{flag}" for flag in xt.flags}
    if "xt:constant" in flags:  # then the layer is, and so I(T;Y) is 0 as well
        flags = flags - {"ty:constant", "xt:constant"} | {CONSTANT}
    return {
        "mi_xt": xt.nats,
        **{column: _number(xt, attribute) for column, attribute in _XT.items()},
        "mi_ty": ty.nats,
        **{column: _number(ty, attribute) for column, attribute in _TY.items()},
        **statistics,
        "flags": ",".join(flag for flag in PROFILE_FLAGS if flag in flags),
    }


def _parts(values: dict[str, Any] | None, unseen: np.ndarray, recipe: Recipe) -> dict[str, Any]:
    """The columns of `PART_COLUMNS`, none of other recipes."""
    if not recipe.one_pass:
        return {}
    return {"n_validation": int(unseen.sum()), **{name: (values or {}).get(name, 0.0)
                                                  for name in _PARTS}}  # fmt: skip


def _number(estimate: Estimate, attribute: str) -> float:
    """A field of an estimate; NaN where it has none, 0 where a side is constant."""
    value = getattr(estimate, attribute)
    if value is None:
        return 0.0 if CONSTANT in estimate.flags else float("nan")
    return float(value)
