"""`estimate`: every estimator behind one call."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from infoprior._ambient import default_settings
from infoprior._arguments import check_seed, whole_number
from infoprior._progress import progress_line
from infoprior._threads import use_threads
from infoprior.information import _binning, _copula, _corrected, _neighbors, _noisy
from infoprior.information._inputs import InformationError
from infoprior.information._neural import flexible, labels, lda, pairs
from infoprior.information._neural.crossfit import CriticSettings
from infoprior.information._result import FLAGS, Estimate, Estimates, constant_estimate
from infoprior.information._samples import (
    as_classes,
    as_side,
    as_tensor,
    check_lengths,
    is_constant,
)

T = TypeVar("T")

LOW_DIMENSION = 3
"""Up to so many columns of both sides together, nearest neighbours beat critics (see
`benchmarks/information/mi_accuracy.py`)."""

MANY = 0.25
"""More different whole numbers a row than this may be numbers as well as labels: ask."""

FEW = 0.1
"""Whole numbers in a float dtype, at most so many different ones a row, look like labels: ask."""


@dataclass(frozen=True)
class Method:
    """An estimator and what it takes.

    Attributes:
        function: (x, y, *, seed, <options>) -> K `Estimate`s, of K checked tensors a side, or K of
            x and the labels y of all.
        y: "continuous", "labels", or "any".
        maps: whether it takes feature maps (n, C, H, W); others get them flattened.
    """

    function: Callable[..., list[Estimate]]
    y: str
    maps: bool = False


METHODS: dict[str, Method] = {
    "hybrid": Method(pairs.hybrid, "continuous"),
    "mine": Method(pairs.mine, "continuous", maps=True),
    "nwj": Method(pairs.nwj, "continuous", maps=True),
    "infonce": Method(pairs.infonce, "continuous", maps=True),
    "smile": Method(pairs.smile, "continuous", maps=True),
    "ksg": Method(_neighbors.ksg, "continuous"),
    "ksg-copula": Method(_corrected.corrected_ksg, "continuous"),
    "copula": Method(_copula.copula, "continuous"),
    "t-copula": Method(_copula.student_copula, "continuous"),
    "cca": Method(_copula.cca, "continuous"),
    "noisy": Method(_noisy.noisy, "continuous"),
    "hybrid-labels": Method(labels.hybrid_labels, "labels", maps=True),
    "enumerated": Method(labels.enumerated, "labels", maps=True),
    "conv-probe": Method(labels.conv_probe, "labels", maps=True),
    "mlp-probe": Method(labels.mlp_probe, "labels"),
    "linear-probe": Method(labels.linear_probe, "labels"),
    "flexible-lda": Method(flexible.flexible_lda, "labels"),
    "lda": Method(lda.lda, "labels"),
    "ross": Method(_neighbors.ross, "labels"),
    "binning": Method(_binning.binning, "any"),
}
"""Every estimator by name. "auto" chooses among them."""


@default_settings()
def estimate(
    x: Any,
    y: Any,
    method: str = "auto",
    discrete_y: bool | None = None,
    seed: int = 0,
    *,
    threads: int = 1,
    progress: bool = True,
    **options: Any,
) -> Estimate | Estimates:
    """Mutual information I(X; Y) in nats, of one pair of samples or of a stack of pairs.

    "auto" needs no settings: labels get "hybrid-labels" (linear discriminants, a critic on top,
    convolutional for feature maps); continuous pairs get "ksg" where both sides together have at
    most three columns that vary, and "hybrid" (an elliptical copula, a critic on top) otherwise,
    or "mine" with a convolutional critic where a side is feature maps. The choice was made by
    measurement, see `benchmarks/information/mi_accuracy.py`. A deterministic layer has no
    finite information about a continuous input: for I(X; T + sigma Z) ask for "noisy", with the
    layer as y.

    Args:
        x: numpy array or tensor, CPU or CUDA: (n,), (n, d), a stack (K, n, d), feature maps
            (n, C, H, W) or (K, n, C, H, W), or a list of K arrays of different widths.
        y: the same, or labels: whole numbers of shape (n,), or (K, n) for a stack. One x or y
            beside a stack of the other is shared.
        method: a name of `METHODS`, or "auto".
        discrete_y: whether y holds labels; None: y has an integer or boolean dtype and is of
            shape (n,) or (n, 1), or (K, n) beside a stack of K.
        seed: of everything that is drawn. Same seed, same result.
        threads: of PyTorch and of matrix products during the call. Where other programs compute
            too, several threads wait for each other. Results are the same only for the same number,
            otherwise up to rounding.
        progress: show on the terminal that it computes, if it takes more than two seconds.
        options: keyword arguments of the method's function.

    Returns:
        an `Estimate`, or `Estimates` for a stack.

    Raises:
        InformationError: (a ValueError) lengths differ, fewer than 50 rows, a value is not finite,
            an unknown method or option, a method that does not take such y, an invalid
            seed or number of threads.
    """
    if not isinstance(method, str) or (method != "auto" and method not in METHODS):
        raise InformationError(f"Unknown method {method!r}; known are {['auto', *METHODS]}.")
    seed = check_seed(seed, InformationError)
    threads = whole_number(threads, "threads", 1, InformationError)
    with use_threads(threads), progress_line("estimating information", show=progress):
        return _estimate(x, y, method, discrete_y, seed, options)


def _estimate(
    x: Any, y: Any, method: str, discrete_y: bool | None, seed: int, options: dict[str, Any]
) -> Estimate | Estimates:
    """`estimate` with checked arguments."""
    start = time.perf_counter()
    left = as_side(x, "x")
    rounding = left.rounding
    if _labels(y, discrete_y, method, len(left.samples) if left.stacked else None):
        estimates, stacked = _with_labels(left.samples, y, method, seed, options, left.stacked)
    else:
        right = as_side(y, "y")
        check_lengths(left.n, right.n)
        stacked = left.stacked or right.stacked
        xs, ys = _pair_up(left.samples, right.samples)
        ys = [b.to(a.device) for a, b in zip(xs, ys, strict=True)]
        estimates = _continuous(xs, ys, method, seed, options)
        rounding = [a or b for a, b in zip(*_pair_up(rounding, right.rounding), strict=True)]
    rounding = rounding * (len(estimates) // len(rounding))
    share = (time.perf_counter() - start) / len(estimates)
    estimates = [
        replace(e, seconds=share, flags=_with_rounding(e.flags) if coarse else e.flags)
        for e, coarse in zip(estimates, rounding, strict=True)
    ]
    return Estimates(estimates) if stacked else estimates[0]


def _with_rounding(flags: tuple[str, ...]) -> tuple[str, ...]:
    """Flags with "rounding", in the order of `FLAGS`."""
    return tuple(flag for flag in FLAGS if flag in flags or flag == "rounding")


def _labels(y: Any, discrete_y: bool | None, method: str, stack: int | None) -> bool:
    """Whether y holds labels.

    Raises:
        InformationError: the method does not take such y, or whole numbers could be either.
    """
    if discrete_y is not None and not isinstance(discrete_y, bool | np.bool_):
        raise InformationError(f"discrete_y is {discrete_y!r}; give True, False or None.")
    kind = METHODS[method].y if method != "auto" else "any"
    if discrete_y is None:
        shape, whole = _look(y)
        if len(shape) == 2 and shape[1] == 1 and stack is None:
            shape = shape[:1]
        if not whole and len(shape) == 1 and kind == "any":
            _refuse_float_labels(y)
        discrete_y = (whole and len(shape) == 1) or (
            len(shape) == 2 and shape[0] == stack and (whole or kind == "labels")
        )
        if kind == "labels" and len(shape) == 1:
            discrete_y = True
        elif discrete_y and kind == "continuous":
            raise InformationError(
                f"y holds whole numbers and {method} takes continuous y; say discrete_y=False if "
                f"they are numbers. For labels there are {_names('labels')}."
            )
        elif discrete_y and kind == "any":
            _refuse_counts(y)
    if discrete_y and kind == "continuous":
        raise InformationError(
            f"{method} takes continuous y; for labels there are {_names('labels')}."
        )
    if not discrete_y and kind == "labels":
        raise InformationError(
            f"{method} takes labels as y; for continuous pairs there are {_names('continuous')}."
        )
    return bool(discrete_y)


def _refuse_float_labels(y: Any) -> None:
    """Refuse floats that look like labels, where nobody has said which they are."""
    values, dtype = as_tensor(y, "y").flatten(), as_tensor(y, "y").dtype
    values = values.double()
    if not bool((values.isfinite() & (values == values.round())).all()):
        return
    distinct = len(values.unique())
    if distinct <= len(values) * FEW:
        raise InformationError(
            f"y holds {distinct} different whole numbers as {dtype}; say discrete_y=True if "
            "they are labels, discrete_y=False if they are numbers."
        )


def _refuse_counts(y: Any) -> None:
    """Refuse whole numbers of many values, where nobody has said whether they are labels."""
    for numbers in as_classes(y, "y")[0]:
        classes = int(numbers.max()) + 1
        if classes > max(MANY * len(numbers), 2):
            raise InformationError(
                f"y holds {classes} different whole numbers in {len(numbers)} rows; say "
                "discrete_y=True if they are labels, discrete_y=False if they are numbers."
            )


def _names(kind: str) -> list[str]:
    """Methods that take such y."""
    return [name for name, m in METHODS.items() if m.y in (kind, "any")]


def _look(y: Any) -> tuple[tuple[int, ...], bool]:
    """The shape of y, and whether its dtype is of whole numbers."""
    if isinstance(y, list | tuple) and y and np.ndim(y[0]) > 0:
        shape, whole = _look(y[0])
        return (len(y), *shape), whole
    tensor = as_tensor(y, "y")
    return tuple(tensor.shape), not tensor.is_floating_point()


def _pair_up(x: list[T], y: list[T]) -> tuple[list[T], list[T]]:
    """Two stacks of one length; a single sample is shared."""
    if len(x) != len(y) and 1 not in (len(x), len(y)):
        raise InformationError(
            f"x is a stack of {len(x)}, but y of {len(y)}; give as many, or one to be shared."
        )
    k = max(len(x), len(y))
    return x * (k // len(x)), y * (k // len(y))


def _continuous(
    x: list[Tensor], y: list[Tensor], method: str, seed: int, options: dict[str, Any]
) -> list[Estimate]:
    """Estimates of K pairs, method by method."""
    names = [_choose(a, b) if method == "auto" else method for a, b in zip(x, y, strict=True)]
    # A side that does not vary carries nothing; noise on a constant layer carries nothing either.
    varying = [
        k for k in range(len(x))
        if not is_constant(y[k]) and (names[k] == "noisy" or not is_constant(x[k]))
    ]  # fmt: skip
    answers = {k: constant_estimate(len(x[k]), names[k]) for k in range(len(x)) if k not in varying}
    for name in dict.fromkeys(names):
        function = _checked(name, options)
        mine = [k for k in varying if names[k] == name]
        if mine:
            sides = [[_shaped(s[k], name) for k in mine] for s in (x, y)]
            answers |= dict(zip(mine, function(*sides, seed=seed, **options), strict=True))
    return [answers[k] for k in range(len(x))]


def _with_labels(
    x: list[Tensor], y: Any, method: str, seed: int, options: dict[str, Any], stacked: bool
) -> tuple[list[Estimate], bool]:
    """Estimates of K layers and labels; and whether a stack was given."""
    classes, many = as_classes(y, "y")
    check_lengths(len(x[0]), len(classes[0]))
    if many and len(x) == 1:
        x = x * len(classes)
    if many and len(x) != len(classes):
        raise InformationError(
            f"x is a stack of {len(x)}, but y holds labels for {len(classes)}; give as many."
        )
    name = method if method != "auto" else "hybrid-labels"
    function = _checked(name, options)
    answers = [constant_estimate(len(t), name) for t in x]
    remaining = [k for k in range(len(x)) if not is_constant(x[k])]
    while remaining:
        # Entries with the same labels are computed together.
        y_k = classes[remaining[0] if many else 0]
        mine = [k for k in remaining if not many or torch.equal(classes[k], y_k)]
        remaining = [k for k in remaining if k not in mine]
        if is_constant(y_k):
            continue
        layers = [_shaped(x[k], name) for k in mine]
        estimates = function(layers, y_k.to(layers[0].device), seed=seed, **options)
        for k, answer in zip(mine, estimates, strict=True):
            answers[k] = answer
    return answers, stacked or many


def _shaped(samples: Tensor, name: str) -> Tensor:
    """Samples as the method takes them: maps, or flattened."""
    return samples if METHODS[name].maps and _is_map(samples) else samples.flatten(1)


def _is_map(samples: Tensor) -> bool:
    """Maps of a single pixel are vectors."""
    return samples.ndim == 4 and samples.shape[2] * samples.shape[3] > 1


def _choose(x: Tensor, y: Tensor) -> str:
    """The method of "auto" for a continuous pair."""
    if _is_map(x) or _is_map(y):
        return "mine"
    columns = sum(int((s != s[:1]).flatten(1).any(dim=0).sum()) for s in (x, y))
    return "ksg" if columns <= LOW_DIMENSION else "hybrid"


def _checked(name: str, options: dict[str, Any]) -> Callable[..., list[Estimate]]:
    """A method's function, once its options are known to be right."""
    function = METHODS[name].function
    parameters = inspect.signature(function).parameters.values()
    known = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        known += list(CriticSettings.__dataclass_fields__)
    known.remove("seed")
    unknown = [option for option in options if option not in known]
    if unknown:
        raise InformationError(f"{name} has no option {unknown[0]!r}; it has {known}.")
    for option in (p.name for p in parameters if isinstance(p.default, bool)):
        if not isinstance(options.get(option, True), bool | np.bool_):
            raise InformationError(f"{option} is {options[option]!r}; give True or False.")
    return function
