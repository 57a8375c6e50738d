"""What a synthetic concept is drawn from: one table of settings, `MIX`, and `draw_recipe`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from infoprior.tasks._synthetic.odds import ODDS

MOST_FEATURES = 60
MOST_CLASSES = 20
ROWS = (150, 5000)
SMALLER = 0.75  # training rows have a density as n ** -(1 + SMALLER); 0 would be log-uniform
VALIDATION_ROWS = (100, 1000)

# Values and their odds. What is drawn uniformly between bounds is a pair under its name.
MIX: dict[str, dict[Any, float]] = {
    "mechanism": {
        "linear": 3,
        "mixture": 6,
        "network": 2,
        "trees": 2,
        "radial": 0.4,
        "interactions": 0.5,
        "smooth": 1.5,
        "prototypes": 2,
        "additive": 2,
        "quadratic": 1,
        "rules": 1,
    },
    "n_classes": {2: 14, 3: 4, 4: 2, 5: 2, 6: 2, 7: 2, 8: 1, 9: 1, 10: 2, 12: 1, 15: 0.5, 20: 0.5},
    "complexity": {1: 2, 2: 1, 3: 1, 4: 1},
    "ordinal": {False: 4, True: 1},
    "balance": {"equal": 3, "uneven": 2, "rare": 2},
    "temperature": {"none": 4, "low": 3, "middle": 1.2, "high": 0.4},
    "noise": {"none": 6, "some": 1},
    "latent": {"normal": 4, "heavy": 1, "uniform": 1, "clustered": 1.5, "skewed": 1},
    "correlation": {"none": 1, "some": 3},
    "measured": {"directly": 1.5, "noisily": 1.5, "factors": 6},
    "redundant": {"none": 1, "some": 1},
    "irrelevant": {"none": 2, "some": 1},
    "style": {"plain": 2, "alike": 1.5, "warped": 1.5, "mixed": 2, "discrete": 2},
    "missing": {"none": 4, "some": 1},
}
TEMPERATURES = {"none": (0.0, 0.0), "low": (0.02, 0.15), "middle": (0.15, 0.6), "high": (0.6, 2.0)}
NUMERIC_KINDS = (
    "plain", "plain", "exponential", "explosive", "cubic", "saturated", "uniform", "positive",
    "sparse", "integer",
)  # fmt: skip
DISCRETE_KINDS = ("integer", "count", "levels", "binary", "category", "category")
CODED_KINDS = ("ordered", "ordered", "shuffled", "binary", "category", "count")
IRREGULAR_KINDS = (
    "outliers", "units", "code for unknown", "absent", "tails", "modes", "clumps", "heaped",
    "explosive", "sparse", "plain",
)  # fmt: skip
CONTINUOUS_KINDS = (*NUMERIC_KINDS[:-1], "outliers", "units", "code for unknown", "tails", "modes",
                    "clumps")  # fmt: skip

# What the second generator's concepts are drawn from: those of the first, and labels that arise
# from the columns as they are measured, by one to three mechanisms (`Term`). The odds of what
# decides which encoding of inputs is good are fitted (benchmarks/metadataset/encodings.py).
COLUMN_MIX: dict[str, dict[Any, float]] = {**MIX, **ODDS}
ROWS_OF = {"few": (150, 400), "some": (400, 1000), "many": (1000, 2500)}
READS = {"few": (0.1, 0.3), "half": (0.3, 0.7), "all": (1.0, 1.0)}


@dataclass(frozen=True)
class Term:
    """One of the mechanisms by which columns give the classes their scores.

    Attributes:
        mechanism: a key of `column_scores.COLUMN_SCORES`.
        view: what it reads: columns "measured", which is standardised, or "before the warp" that
            makes their marginal distribution (and before some rows are spoiled).
        strength: standard deviation of what it adds to the scores; that of the first term is 1.
        share: of the relevant columns that it reads.
        complexity: 1 to 4.
    """

    mechanism: str
    view: str
    strength: float
    share: float
    complexity: int


@dataclass(frozen=True)
class Recipe:
    """The drawn settings of one concept.

    Attributes:
        concept: number of the draw from `MIX`.
        mechanism: how latent variables give scores: a key of `scores.SCORES`, or "mixture"; or
            "columns": columns give them, by the `terms`.
        complexity: 1 to 4; layers, trees, prototypes, terms: what it counts depends on the
            mechanism.
        n_classes: number of classes.
        ordinal: whether classes are intervals of one score.
        class_weights: probability of each class, about.
        n_train: the concept's own number of training rows.
        temperature: labels are drawn from softmax(scores / temperature), scores having standard
            deviation 1 (ordinal: standard deviation of Gaussian noise on the score); 0 takes the
            best.
        noise: share of labels that are replaced by another class, drawn uniformly: no classifier's
            expected accuracy is above 1 - noise.
        latent: distribution of the latent variables.
        n_latent: number of latent variables.
        correlation: of the latent variables, in [0, 1).
        measured: "directly": informative columns are the latent variables; "noisily": with
            `measurement_noise` on them; "factors": each is a noisy combination of a few of them.
        measurement_noise: its standard deviation.
        n_informative, n_redundant, n_irrelevant: columns that measure latent variables, that are
            combinations of all of them, and that have nothing to do with them.
        kinds: of each raw column, in the table's order; "category:5" has five categories, and
            "ordered:5" and "shuffled:5" are numbers 0 to 4 whose order says something or nothing.
        missing: share of missing values of each raw column.
        terms: of the mechanism "columns".
    """

    concept: int
    mechanism: str
    complexity: int
    n_classes: int
    ordinal: bool
    class_weights: tuple[float, ...]
    n_train: int
    temperature: float
    noise: float
    latent: str
    n_latent: int
    correlation: float
    measured: str
    measurement_noise: float
    n_informative: int
    n_redundant: int
    n_irrelevant: int
    kinds: tuple[str, ...]
    missing: tuple[float, ...]
    terms: tuple[Term, ...] = ()

    @property
    def n_columns(self) -> int:
        """Number of raw columns."""
        return len(self.kinds)

    @property
    def n_validation(self) -> int:
        """The concept's own number of validation rows."""
        return int(np.clip(round(self.n_train / 3), *VALIDATION_ROWS))


def draw_recipe(concept: int, mix: Mapping[str, Mapping[Any, float]] = MIX) -> Recipe:
    """The settings of a concept: the same number, the same settings.

    Args:
        concept: seeds the draw.
        mix: values and their odds, `MIX` or `COLUMN_MIX`.
    """
    chosen, rng = draw_choices(concept, mix)
    u = float(rng.uniform())
    if "rows" in chosen:
        low, high = ROWS_OF[chosen["rows"]]
        n_train = round(low * (high / low) ** u)
        n_classes = min(chosen["n_classes"], n_train // 12)
    else:
        # Classes are as many as among log-uniform sizes, so that small tasks have many, too.
        even = ROWS[0] * (ROWS[1] / ROWS[0]) ** u
        n_classes = min(chosen["n_classes"], int(even) // 12)
        n_train = max(_rows(u), 12 * n_classes)
    if chosen["mechanism"] == "radial":
        n_classes = min(n_classes, 4)  # more rings than that are beyond any learner's reach
    generative = chosen["mechanism"] == "mixture"
    temperature = 0.0 if generative else _between(*TEMPERATURES[chosen["temperature"]], rng)
    if chosen["ordinal"] and not generative:
        temperature = max(temperature, 0.1)  # what is measured and cut into classes has errors
    total = max(_log_uniform(3, MOST_FEATURES, rng), _log_uniform(3, MOST_FEATURES // 2, rng))
    sizes = _columns(total, chosen, rng)
    kinds = _kinds(total, chosen["style"], rng)
    return Recipe(
        concept=concept,
        mechanism=chosen["mechanism"],
        complexity=chosen["complexity"],
        n_classes=n_classes,
        ordinal=chosen["ordinal"] and not generative,
        class_weights=_weights(n_classes, n_train, chosen["balance"], rng),
        n_train=n_train,
        temperature=temperature,
        noise=0.0 if chosen["noise"] == "none" else float(rng.uniform(0.01, 0.25)),
        latent="normal" if generative else chosen["latent"],
        correlation=0.0 if chosen["correlation"] == "none" else float(rng.uniform(0.2, 0.95)),
        measured=chosen["measured"],
        measurement_noise=0.0 if chosen["measured"] == "directly" else _between(0.03, 0.5, rng),
        **sizes,
        kinds=kinds,
        missing=_missing(kinds, chosen["missing"], rng),
        terms=_terms(chosen, mix, rng) if chosen["mechanism"] == "columns" else (),
    )


def draw_choices(
    concept: int, mix: Mapping[str, Mapping[Any, float]]
) -> tuple[dict[str, Any], np.random.Generator]:
    """A value of each setting of a mix, and the stream that draws the rest."""
    rng = np.random.default_rng([concept, 0])
    return {name: _pick(odds, rng) for name, odds in mix.items()}, rng


def _terms(
    chosen: dict[str, Any], mix: Mapping[str, Mapping[Any, float]], rng: np.random.Generator
) -> tuple[Term, ...]:
    """The first term as chosen, others drawn by the same odds and weaker."""
    terms = []
    for number in range(chosen["terms"]):
        mechanism, view, reads = (
            _pick(mix[name], rng) if number else chosen[name] for name in ("term", "view", "reads")
        )
        terms.append(
            Term(
                mechanism=mechanism,
                view=view,
                strength=_between(0.2, 1.0, rng) if number else 1.0,
                share=float(rng.uniform(*READS[reads])),
                complexity=_pick(mix["complexity"], rng) if number else chosen["complexity"],
            )
        )
    return tuple(terms)


def n_levels(kind: str) -> int:
    """Number of levels of a kind of column: 5 of "category:5", 2 of others."""
    return int(kind.partition(":")[2] or 2)


def n_encoded(kind: str) -> int:
    """Columns that one of this kind becomes, none missing: 5 of "category:5", 1 of others."""
    return n_levels(kind) if kind.startswith("category") else 1


def _pick(odds: Mapping[Any, float], rng: np.random.Generator) -> Any:
    """One of the values, drawn by their odds."""
    values, weights = list(odds), np.array(list(odds.values()), dtype=np.float64)
    return values[rng.choice(len(values), p=weights / weights.sum())]


def _rows(u: float) -> int:
    """The quantile u of the number of training rows: few rows are the common and the cheap case."""
    low, high = (bound**-SMALLER for bound in ROWS)
    return int(np.clip(round((low + u * (high - low)) ** (-1.0 / SMALLER)), *ROWS))


def _log_uniform(low: int, high: int, rng: np.random.Generator) -> int:
    """A whole number within bounds, log-uniform."""
    return int(np.clip(round(np.exp(rng.uniform(np.log(low), np.log(high)))), low, high))


def _between(low: float, high: float, rng: np.random.Generator) -> float:
    """Log-uniform between positive bounds; 0 for no bounds."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high)))) if low else 0.0


def _weights(
    n_classes: int, n_train: int, balance: str, rng: np.random.Generator
) -> tuple[float, ...]:
    """Probability of each class: equal, uneven, or falling off to rare ones."""
    weights = np.ones(n_classes)
    if balance == "uneven":
        weights = 0.3 + rng.dirichlet(np.ones(n_classes)) * n_classes
    elif balance == "rare":
        weights = np.exp(-rng.uniform(0.5, 3.0) * np.arange(n_classes) / max(1, n_classes / 3))
    weights = np.maximum(weights / weights.sum(), 8 / n_train)
    return tuple(float(w) for w in rng.permutation(weights / weights.sum()))


def _columns(total: int, chosen: dict[str, Any], rng: np.random.Generator) -> dict[str, int]:
    """How many columns of each sort, and latent variables, make `total` columns."""
    shares = np.array(
        [
            1.0,
            rng.uniform(0.1, 1.0) * (chosen["redundant"] == "some"),
            rng.uniform(0.1, 1.5) * (chosen["irrelevant"] == "some"),
        ]
    )
    redundant, irrelevant = (shares[1:] / shares.sum() * total).astype(int)
    informative = total - int(redundant) - int(irrelevant)
    latent = informative
    if chosen["measured"] == "factors":
        latent = max(2, round(informative * rng.uniform(0.05, 0.4)))
    return {
        "n_latent": latent,
        "n_informative": informative,
        "n_redundant": int(redundant),
        "n_irrelevant": int(irrelevant),
    }


def _kinds(total: int, style: str, rng: np.random.Generator) -> tuple[str, ...]:
    """The kind of each of so many raw columns, in a style."""
    if style == "plain":
        kinds = ["plain"] * total
    elif style == "alike":
        kinds = [str(rng.choice([*NUMERIC_KINDS[2:], "count"]))] * total
    elif style == "warped":
        kinds = [str(kind) for kind in rng.choice(NUMERIC_KINDS, size=total)]
    elif style in ("irregular", "coded"):
        odd = IRREGULAR_KINDS if style == "irregular" else CODED_KINDS
        share = rng.uniform(0.3, 1.0)
        drawn = [str(rng.choice(odd if rng.random() < share else NUMERIC_KINDS))
                 for _ in range(total)]  # fmt: skip
        coded = ("ordered", "shuffled")
        kinds = [f"{k}:{int(rng.integers(3, 12))}" if k in coded else k for k in drawn]
    else:
        share = rng.uniform(0.1, 0.6) if style == "mixed" else rng.uniform(0.7, 1.0)
        discrete = rng.random(total) < share
        kinds = [str(rng.choice(DISCRETE_KINDS if flag else NUMERIC_KINDS)) for flag in discrete]
    room = MOST_FEATURES - total  # what one-hot coding may add
    for k, kind in enumerate(kinds):
        if kind == "category":
            levels = int(rng.integers(3, 9))
            kinds[k] = f"category:{levels}" if levels - 1 <= room else "levels"
            room -= levels - 1 if levels - 1 <= room else 0
    # Something continuous in every table that is not wide: few rows are equal then.
    if total < 10 or style not in ("discrete", "coded"):
        kinds[0] = kinds[0] if kinds[0] in CONTINUOUS_KINDS else "plain"
    return tuple(kinds)


def _missing(kinds: tuple[str, ...], missing: str, rng: np.random.Generator) -> tuple[float, ...]:
    """Share of missing values of each column."""
    if missing == "none":
        return (0.0,) * len(kinds)
    has = rng.random(len(kinds)) < rng.uniform(0.1, 0.8)
    rates = np.where(has, rng.uniform(0.01, 0.3, size=len(kinds)), 0.0)
    room = MOST_FEATURES - sum(map(n_encoded, kinds))
    for k, kind in enumerate(kinds):
        if rates[k] and kind.startswith("category"):  # "missing" is a category more
            rates[k] *= room > 0
            room -= 1
    return tuple(float(rate) for rate in rates)
