"""Networks, read layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from infoprior.information import (
    Estimate,
    activation_entropy,
    choose_rows,
    dead_units,
    effective_rank,
    entropy,
    estimate,
    without_rounding_noise,
)
from infoprior.profiles._recipe import RECIPES, Recipe, check_recipe, recipe_for
from infoprior.profiles._schema import (
    CONSTANT,
    NON_FINITE,
    PROFILE_FLAGS,
    ProfileError,
    validate_profile,
)
from infoprior.training import use_threads

if TYPE_CHECKING:
    from infoprior.tasks import Task


class Readable(Protocol):
    """What a network must offer: the networks that search spaces build do."""

    layer_names: tuple[str, ...]

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        """Hidden layer -> T, shape (n, width) or (n, C, H, W), in evaluation mode, for x of shape
        (n, ...)."""
        ...


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
) -> pd.DataFrame:
    """I(X; T + sigma Z) and I(T; Y) in nats of every hidden layer T of a network, beside H(Y).

    `profile_networks` of one network: see there what the numbers mean.

    Args:
        network: has `layer_names` and `activations`; left as it was.
        task: X float32 (n, ...), y int64 (n,), row numbers of its parts.
        seed: draws rows and everything that the estimators draw.
        recipe: how to measure; None takes `recipe_for` each layer.
        architecture: goes into the column of that name; so does `epoch`.
        threads: PyTorch's threads meanwhile; results are the same only for the same number.

    Returns:
        one row per layer, in order, columns and dtypes of `PROFILE_COLUMNS`.

    Raises:
        ProfileError: as `profile_networks`.
        InformationError: as `profile_networks`.
    """
    return profile_networks(
        [(network, architecture, epoch)], task, seed=seed, recipe=recipe, threads=threads
    )


def profile_networks(
    networks: Iterable[tuple[Readable, str, int]],
    task: Task,
    *,
    seed: int = 0,
    recipe: Recipe | None = None,
    threads: int = 1,
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
        threads: PyTorch's threads meanwhile; results are the same only for the same number.

    Returns:
        one row per layer, network by network, columns and dtypes of `PROFILE_COLUMNS`. A layer that
        does not vary carries 0 nats and the flag `constant`; one whose activations are not finite
        (its network diverged) the same, and the flag `non_finite`.

    Raises:
        ProfileError: there is no network, one has no hidden layers, a layer has not one row per
            input or another shape than (n, width) or (n, C, H, W), two networks have the same
            architecture and epoch, or the recipe passes for another.
        InformationError: fewer than 50 rows, inputs that are not finite, or options of the recipe
            that its method does not have.
    """
    networks = list(networks)
    if not networks:
        raise ProfileError("There is no network to profile.")
    known = np.concatenate([task.train, task.validation])
    with use_threads(threads):
        most = (check_recipe(recipe) if recipe else RECIPES["tabular"]).max_rows
        rows = known[choose_rows(len(known), most, seed)]
        x, y = task.X[rows], task.y[rows]
        layers = _read_all(networks, x)
        # A layer's recipe follows from its own shape, not from what else is in the stack.
        recipes = [recipe or recipe_for([layer.t]) for layer in layers]
        values: dict[int, tuple[Estimate, Estimate]] = {}
        for one in dict.fromkeys(recipes):
            read = [
                k for k, layer in enumerate(layers)
                if recipes[k] == one and np.isfinite(layer.t).all()
            ]  # fmt: skip
            found = _measure(x, y, [layers[k].t for k in read], seed, one) if read else []
            values |= dict(zip(read, found, strict=True))
        h_y = entropy(y)
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
                "n": len(rows),
                "h_y": h_y,
                **(_values(layer.t, *values[k]) if k in values else LOST),
            }
            for k, layer in enumerate(layers)
        ]
    return validate_profile(pd.DataFrame(table))


def _read_all(networks: Sequence[tuple[Readable, str, int]], x: np.ndarray) -> list[_Layer]:
    return [
        _Layer(architecture, epoch, name, index, t)
        for network, architecture, epoch in networks
        for index, (name, t) in enumerate(_read(network, x).items())
    ]


def _read(network: Readable, x: np.ndarray) -> dict[str, np.ndarray]:
    """Layer -> activations, shape (n, width) or (n, C, H, W), in the network's order."""
    read = network.activations(torch.from_numpy(np.ascontiguousarray(x, dtype=np.float32)))
    names = tuple(network.layer_names)
    if not names:
        raise ProfileError("The network has no hidden layers (layer_names is empty) to profile.")
    layers = {}
    for name in names:
        if name not in read:
            raise ProfileError(f"The network names a layer {name!r}, but gives no activations.")
        # Convolutions may leave maps in another order of memory.
        t = read[name].detach().cpu().contiguous().numpy()
        if t.ndim not in (2, 4) or len(t) != len(x) or 0 in t.shape:
            raise ProfileError(
                f"The activations of {name!r} have shape {t.shape}; (n, width) or (n, C, H, W) "
                f"with n = {len(x)} is needed."
            )
        layers[name] = t
    return layers


def _measure(
    x: np.ndarray, y: np.ndarray, layers: list[np.ndarray], seed: int, recipe: Recipe
) -> list[tuple[Estimate, Estimate]]:
    """I(T; Y) and I(X; T + sigma Z) of each layer; all layers are one stack."""
    layers = [without_rounding_noise(t) for t in layers]
    ty = estimate(
        layers, y, method=recipe.ty_method, discrete_y=True, seed=seed, **recipe.ty_options
    )
    xt = estimate(
        x, layers, method=recipe.xt_method, discrete_y=False, seed=seed, **recipe.xt_options
    )
    assert not isinstance(ty, Estimate)
    assert not isinstance(xt, Estimate)
    return list(zip(ty, xt, strict=True))


_TY = {
    "mi_ty_train": "train",
    "mi_ty_validation": "validation",
    "mi_ty_test": "test",
    "mi_ty_fold_spread": "fold_spread",
    "step_ty": "step",
}
_XT = {"mi_xt_lower": "lower", "mi_xt_upper": "upper", "sigma": "sigma"}
_STATISTICS = ("effective_rank", "dead_units", "activation_entropy")

LOST = {
    **dict.fromkeys(("mi_xt", "mi_ty", *_TY, *_XT, *_STATISTICS), 0.0),
    "flags": f"{CONSTANT},{NON_FINITE}",
}
"""The values of a layer whose activations are not finite."""


def _values(t: np.ndarray, ty: Estimate, xt: Estimate) -> dict[str, Any]:
    """The columns that are measured of one layer."""
    flags = {f"ty:{flag}" for flag in ty.flags} | {f"xt:{flag}" for flag in xt.flags}
    if "xt:constant" in flags:  # then the layer is, and so I(T;Y) is 0 as well
        flags = flags - {"ty:constant", "xt:constant"} | {CONSTANT}
    flat = t.reshape(len(t), -1)
    return {
        "mi_xt": xt.nats,
        **{column: _number(xt, attribute) for column, attribute in _XT.items()},
        "mi_ty": ty.nats,
        **{column: _number(ty, attribute) for column, attribute in _TY.items()},
        "effective_rank": effective_rank(flat),
        "dead_units": dead_units(flat),
        "activation_entropy": activation_entropy(flat),
        "flags": ",".join(flag for flag in PROFILE_FLAGS if flag in flags),
    }


def _number(found: Estimate, attribute: str) -> float:
    value = getattr(found, attribute)
    if value is None:
        return 0.0 if CONSTANT in found.flags else float("nan")
    return float(value)
