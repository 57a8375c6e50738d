"""How much the layers of a network say of its outputs (Neuro Exapt, sections 1, 5.1, 7.1 and 7.3).

Everything is in nats, by the package's own estimators and with their flags.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from infoprior._ambient import default_settings
from infoprior._arguments import check_seed, instance_of, real_number, whole_number
from infoprior.information import Estimate, choose_rows, entropy, estimate, without_rounding_noise
from infoprior.profiles import Recipe, recipe_for
from infoprior.search.evolution.chain import widths
from infoprior.search.evolution.errors import EvolutionError
from infoprior.search.evolution.reading import read_hidden

PSI: Mapping[str, float] = {
    "classification": 1.2,
    "generation": 0.8,
    "regression": 1.0,
    "detection": 1.1,
}
"""psi of each type of task (section 1.2)."""

DECAY: Mapping[str, float] = {"resnet": 0.03, "transformer": 0.01, "dense": 0.05}
"""lambda of each family of networks (section 1.3)."""


def task_weight(task_type: str) -> float:
    """psi of a type of task, a key of `PSI`.

    Raises:
        EvolutionError: there is no such type.
    """
    if not isinstance(task_type, str) or task_type not in PSI:
        raise EvolutionError(f"task_type is {task_type!r}; give one of {list(PSI)}.")
    return PSI[task_type]


def task_importance(information: float, h_o: float | None, psi: float) -> float:
    """H(O) - H(O|L) psi, with H(O|L) = H(O) - I(L;O) (sections 1.2 and 5.1); nats.

    It equals psi I(L;O) - (psi - 1) H(O): within a task it orders layers as I(L;O) does, whatever
    psi is. With psi > 1 it is negative for every layer with I(L;O) < H(O) (psi - 1) / psi (for
    classification a sixth of H(O)), down to -(psi - 1) H(O) for one that says nothing; with psi < 1
    such a layer still has (1 - psi) H(O). It is no mutual information then.

    Args:
        information: I(L;O).
        h_o: H(O); None where O is continuous, whose differential entropy changes with its units:
            it is not needed with psi = 1.
        psi: see `PSI`.

    Raises:
        EvolutionError: a value is no finite number, or H(O) is missing and psi isn't 1.
    """
    information = real_number(information, "information", error=EvolutionError)
    psi = real_number(psi, "psi", 0.0, above=True, error=EvolutionError)
    if psi == 1.0:
        return information
    if h_o is None:
        raise EvolutionError(
            f"psi is {psi}, and O is continuous: its entropy depends on its units, and so would "
            "the importance; take psi = 1 (task_type='regression'), or labels."
        )
    h_o = real_number(h_o, "h_o", 0.0, error=EvolutionError)
    return h_o - (h_o - information) * psi


def bottleneck(information_x: float, information_y: float, beta: float) -> float:
    """I(X;L) - beta I(L;Y), what a layer minimises (section 1.1; Tishby, Pereira & Bialek, "The
    Information Bottleneck Method", Allerton 1999); nats.

    Args:
        information_x: I(X;L); of a deterministic layer that is infinite, and I(X; L + sigma Z) has
            to take its place (Saxe et al., ICLR 2018; Goldfeld et al., ICML 2019).
        information_y: I(L;Y).
        beta: trades compression for prediction, from 0 on.
    """
    information_x = real_number(information_x, "information_x", error=EvolutionError)
    information_y = real_number(information_y, "information_y", error=EvolutionError)
    return information_x - real_number(beta, "beta", 0.0, error=EvolutionError) * information_y


def redundancy(
    information: Sequence[float], h_o: float, *, family: str = "dense", depth: int | None = None
) -> float:
    """1 - sum_i I(L_i;O) / (H(O) exp(-lambda depth)) (section 1.3); no unit, at most 1.

    The document calls it the overlap between layers. It is not: layers are a chain, and what one
    tells of O those before it tell, too (data processing), so that the sum counts the same nats
    once a layer. R falls when layers overlap *more*: it is 1 where no layer says anything, and
    1 - n exp(lambda depth), below zero, where each of n layers says all. See `overlap` for what is
    meant.

    Args:
        information: I(L_i;O) of each layer, nats.
        h_o: H(O), nats, above 0.
        family: a key of `DECAY`.
        depth: number of layers; None: as many as there are values.

    Raises:
        EvolutionError: no layers, an unknown family, or a value that is no such number.
    """
    values = _information(information)
    if not isinstance(family, str) or family not in DECAY:
        raise EvolutionError(f"family is {family!r}; give one of {list(DECAY)}.")
    h_o = real_number(h_o, "h_o", 0.0, above=True, error=EvolutionError)
    depth = len(values) if depth is None else whole_number(depth, "depth", 0, EvolutionError)
    return 1.0 - sum(values) / (h_o * math.exp(-DECAY[family] * depth))


def overlap(information: Sequence[float]) -> float:
    """The share of sum_i I(L_i;O) that is counted more than once; no unit, in [0, 1).

    All layers of a chain together say what the best of them says, I(L_1, ..., L_n;O) =
    max_i I(L_i;O) by the data-processing inequality; so it is 1 - max_i I / sum_i I: 0 where one
    layer says everything, 1 - 1/n where n layers say the same. Values below zero count as 0, and
    0.0 is given where no layer says anything.

    Args:
        information: I(L_i;O) of each layer, nats.
    """
    values = [max(value, 0.0) for value in _information(information)]
    total = sum(values)
    return 1.0 - max(values) / total if total > 0.0 else 0.0


def _information(values: Sequence[float]) -> list[float]:
    numbers = [real_number(value, "information", error=EvolutionError) for value in values]
    if not numbers:
        raise EvolutionError("information is empty; give one value for each layer.")
    return numbers


@dataclass(frozen=True)
class LayerImportance:
    """What one hidden layer says of the outputs, in nats.

    Attributes:
        layer: its name.
        width: units, of maps all of them together.
        n: rows that it was measured on.
        information: I(L;O).
        h_o: H(O) of the labels; None where O is continuous.
        psi: of the task's type.
        importance: see `task_importance`.
        information_x: I(X; L + sigma Z), None where it was not asked for.
        sigma: of that noise.
        flags: of the estimates, "ty:" and "xt:" before them, as in profiles.
    """

    layer: str
    width: int
    n: int
    information: float
    h_o: float | None
    psi: float
    importance: float
    information_x: float | None = None
    sigma: float | None = None
    flags: tuple[str, ...] = ()

    def bottleneck(self, beta: float) -> float:
        """See `bottleneck`.

        Raises:
            EvolutionError: I(X; L + sigma Z) was not measured.
        """
        if self.information_x is None:
            raise EvolutionError(
                f"The layer {self.layer!r} was measured without its inputs; assess it with "
                "compression=True."
            )
        return bottleneck(self.information_x, self.information, beta)


@default_settings()
def assess(
    network: nn.Module,
    x: Any,
    o: Any,
    *,
    task_type: str = "classification",
    seed: int = 0,
    compression: bool = False,
    recipe: Recipe | None = None,
    map_side: int | None = None,
    threads: int = 1,
) -> list[LayerImportance]:
    """The importance of every hidden layer (algorithm of section 5.1).

    Args:
        network: see `read_chain`; left as it is.
        x: rows, shape (n, ...), as the network takes them; rows beyond the recipe's `max_rows` are
            left out by the seed.
        o: outputs of the task: labels, shape (n,), whole numbers, or continuous, (n,) or (n, d),
            floats.
        task_type: a key of `PSI`.
        seed: draws rows and everything that the estimators draw.
        compression: measure I(X; L + sigma Z), too.
        recipe: how to measure; None: `infoprior.profiles.recipe_for` the layers. Continuous outputs
            are measured by the estimator "auto".
        map_side: larger maps, flattened or not, are averaged to this many pixels a side first,
            which only loses information, and costs less; None: they are measured as they are.
        threads: of PyTorch and of matrix products.

    Returns:
        one entry a hidden layer, in order. A layer that isn't finite has 0 nats and the flags
        "constant" and "non_finite".

    Raises:
        EvolutionError: the network cannot be read, the type is unknown, or psi isn't 1 and o is
            continuous.
        InformationError: fewer than 50 rows, or lengths that differ.
    """
    psi = task_weight(task_type)
    seed = check_seed(seed, EvolutionError)
    labels = np.asarray(o)
    discrete = labels.dtype.kind in "iub"
    h_o = entropy(labels) if discrete else None
    task_importance(0.0, h_o, psi)  # says at once what psi needs
    rows = choose_rows(len(labels), 1500 if recipe is None else recipe.max_rows, seed)
    inputs = torch.as_tensor(x)[torch.from_numpy(np.asarray(rows))]
    first = next(network.parameters())
    layers = read_hidden(network, inputs.to(first))
    entries_of = {name: int(t[0].numel()) for name, t in layers.items()}
    if map_side is not None:
        side = whole_number(map_side, "map_side", 1, EvolutionError)
        n_units = widths(network)
        layers = {name: _averaged(t, n_units[name], side) for name, t in layers.items()}
    finite = {name: t for name, t in layers.items() if bool(t.isfinite().all())}
    measured = _measure(finite, inputs, labels[rows], discrete, compression, recipe, seed, threads)
    entries = []
    for name, width in entries_of.items():
        ty, xt = measured.get(name, (None, None))
        nats, flags = 0.0, ["constant", "non_finite"]
        if ty is not None:
            nats = ty.nats
            flags = [*(f"ty:{f}" for f in ty.flags), *(f"xt:{f}" for f in (xt.flags if xt else ()))]
        entries.append(
            LayerImportance(
                name, width, len(rows), nats, h_o, psi, task_importance(nats, h_o, psi),
                xt.nats if xt else None, xt.sigma if xt else None, tuple(flags),
            )
        )  # fmt: skip
    return entries


def _averaged(t: torch.Tensor, units: int, side: int) -> torch.Tensor:
    """Maps of at most `side` pixels a side, flattened or not; vectors as they are."""
    maps = t
    if t.ndim == 2:
        pixels = t.shape[1] // units
        root = math.isqrt(pixels)
        height, width = (root, root) if root * root == pixels else (pixels, 1)
        maps = t.reshape(len(t), units, height, width)
    height, width = maps.shape[2:]
    if height * width <= side * side:
        return t
    if width == 1:  # flattened from maps that weren't square
        side *= side
    return nn.functional.adaptive_avg_pool2d(maps, (min(height, side), min(width, side)))


def _measure(
    layers: Mapping[str, torch.Tensor],
    x: torch.Tensor,
    o: np.ndarray,
    discrete: bool,
    compression: bool,
    recipe: Recipe | None,
    seed: int,
    threads: int,
) -> dict[str, tuple[Estimate, Estimate | None]]:
    """Layer -> I(L;O), and I(X; L + sigma Z) if asked for; layers of one recipe are one stack."""
    arrays = {name: without_rounding_noise(t.cpu().numpy()) for name, t in layers.items()}
    recipes = {name: recipe or recipe_for([t]) for name, t in arrays.items()}
    estimates: dict[str, tuple[Estimate, Estimate | None]] = {}
    for one in dict.fromkeys(recipes.values()):
        names = [name for name in arrays if recipes[name] == one]
        stack = [arrays[name] for name in names]
        options: dict[str, Any] = dict(one.ty_options) if discrete else {}
        ty = estimate(
            stack, o, one.ty_method if discrete else "auto", discrete, seed,
            threads=threads, progress=False, **options,
        )  # fmt: skip
        xt: Sequence[Estimate | None] = [None] * len(names)
        if compression:
            flat = x.detach().cpu().numpy()
            xt = estimate(
                flat.reshape(len(flat), -1), stack, one.xt_method, False, seed,
                threads=threads, progress=False, **one.xt_options,
            )  # type: ignore[assignment]  # fmt: skip
        estimates |= dict(zip(names, zip(ty, xt, strict=True), strict=True))  # type: ignore[arg-type]
    return estimates


def multi_task_importance(
    information: Mapping[str, float], weights: Mapping[str, float] | None = None
) -> float:
    """sum_j w_j I(L;O_j) over several outputs (section 7.1); nats.

    Args:
        information: output -> I(L;O_j), or the importance of that task.
        weights: output -> w_j, from 0 on; None: 1 each. They need not sum to 1.

    Raises:
        EvolutionError: nothing is given, or weights of other outputs.
    """
    instance_of(information, Mapping, "information", "give a dict by output", EvolutionError)
    weights = dict.fromkeys(information, 1.0) if weights is None else weights
    if not information or set(weights) != set(information):
        raise EvolutionError(
            f"weights are of {sorted(weights)}, information of {sorted(information)}; give one "
            "weight for each output."
        )
    return math.fsum(
        real_number(weights[name], f"weights[{name!r}]", 0.0, error=EvolutionError)
        * real_number(information[name], f"information[{name!r}]", error=EvolutionError)
        for name in information
    )


def client_report(importance: Sequence[LayerImportance], n: int | None = None) -> dict[str, Any]:
    """All that a client of a federation sends: numbers of rows, estimates and flags, as JSON.

    Args:
        importance: what `assess` gives on the client's own rows.
        n: rows that the client has; None: those that were measured.
    """
    entries = [asdict(entry) for entry in importance]
    if not entries:
        raise EvolutionError("importance is empty; give what assess returns.")
    rows = entries[0]["n"] if n is None else whole_number(n, "n", 1, EvolutionError)
    return {"n": rows, "layers": [dict(entry, flags=list(entry["flags"])) for entry in entries]}


def federated_importance(reports: Sequence[Mapping[str, Any]]) -> list[LayerImportance]:
    """sum_k n_k / N I_k(L;O_k) over clients (section 7.3), from their reports alone.

    Nothing but estimates leaves a client. What comes out is I(L; O | client), the mean within
    clients: where clients differ in their shares of classes, pooled rows would say more of O (up to
    the entropy of the clients), and where they are few rows each, each estimate has the error of
    its own n_k.

    Args:
        reports: what `client_report` gives, or what JSON makes of it.

    Returns:
        one entry a layer; n is N, H(O) and I(X; L + sigma Z) are means like the rest, flags those
        that any client has.

    Raises:
        EvolutionError: no reports, or some of other layers or another type of task.
    """
    if not reports:
        raise EvolutionError("reports is empty; give one for each client.")
    names = [[layer["layer"] for layer in report["layers"]] for report in reports]
    psis = {layer["psi"] for report in reports for layer in report["layers"]}
    if any(own != names[0] for own in names) or len(psis) > 1:
        raise EvolutionError(
            "The reports are of other layers, or of other types of tasks, than the first; all "
            "clients need to assess the same network for the same type."
        )
    total = sum(report["n"] for report in reports)

    def mean(i: int, key: str) -> float | None:
        values = [report["layers"][i][key] for report in reports]
        if any(value is None for value in values):
            return None
        shares = [report["n"] / total for report in reports]
        return math.fsum(share * value for share, value in zip(shares, values, strict=True))

    entries = []
    for i, name in enumerate(names[0]):
        layers = [report["layers"][i] for report in reports]
        flags = dict.fromkeys(flag for layer in layers for flag in layer["flags"])
        information, importance = mean(i, "information"), mean(i, "importance")
        assert information is not None
        assert importance is not None
        entries.append(
            LayerImportance(
                name, layers[0]["width"], total, information, mean(i, "h_o"), layers[0]["psi"],
                importance, mean(i, "information_x"), None, tuple(flags),
            )
        )  # fmt: skip
    return entries
