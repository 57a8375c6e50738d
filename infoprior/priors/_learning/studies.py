"""A prior from past Optuna studies."""

from __future__ import annotations

import fnmatch
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import Study, StudyDirection
from optuna.trial import FrozenTrial, TrialState

from .._errors import PriorError
from .._mixture.axes import make_axes
from .._trial import feasible
from .._values import items, short, whole
from .joint_space import JointSpace, contained
from .learn import Learned, check_settings, learn, source_metadata
from .ranking import TOP, RankedTrial, TopTrials, rank_complete, top_trials
from .reader import opened, reading

Names = str | Sequence[str]
Source = Study | Sequence[Study] | str | PathLike[str] | BaseStorage


@np.errstate(all="ignore")
def from_studies(
    studies: Source,
    *,
    names: Names | None = None,
    exclude: Names = (),
    space: Mapping[str, BaseDistribution] | None = None,
    outside: str = "move",
    top: float = TOP,
    objective: int | None = None,
    metafeatures: Mapping[str, Any] | None = None,
    target: Any = None,
    bandwidth: float | None = None,
    floor: float | None = None,
    max_components: int = 512,
    adapt: bool = False,
) -> Learned:
    """A prior around the best trials of past studies, from one to thousands of them.

    **What is a study's best.** Its best tenth (`top`), at least 3, at most 25 and at most half of
    its trials, with weights that fall with the logarithm of the rank. Only ranks within a study
    are used, so studies may differ in what they measure, in scale and in direction.

    **How much a study counts.** All alike, whatever their budgets: by (n − 1) / (n + 1) for n
    trials, which is 0.90 for 20 and 1.00 for 1,000. Where `metafeatures` are given, by that times
    a Gaussian kernel of their distance from `target`.

    **How wide the kernels are, and how large the uniform floor is.** From 3 studies on, chosen so
    that the prior of all other studies gives each study's best trials the highest mean log
    probability; Scott's rule is where the search for bandwidths begins. A parameter that the past
    says nothing about comes out flat, and where no study says anything about another the floor
    comes out at 0.9. With one or two studies there is nothing to hold out: the bandwidths are
    Scott's, at least a tenth of the range, and the floor is 0.2.

    **What happens to which trial.**

    - *Complete*: ranked. A value that is NaN or infinite counts as the worst.
    - *Pruned*: its last value was taken at an earlier step and cannot be compared with a complete
      trial's, so it ranks after all of those; among pruned ones, the one that got farther is
      better, then the value there. It is among the best only where complete trials are too few.
      Without any intermediate value it is left out.
    - *Failed, running, waiting*: left out.
    - *Infeasible* (a constraint above zero): ranked, never among the best.
    - *Evaluated more than once*: counted once, with the median of its values.
    - *Several objectives*: ranked by Pareto front (non-dominated sorting), all of a front alike;
      or by `objective` alone.

    Studies with fewer than two trials to rank, or none that could be the best, are left out.

    **Spaces that differ.** The default space is the smallest one that holds all distributions of
    the ranked trials: widest ranges, all choices, steps only where they agree, log where any
    distribution is and the range allows it. A parameter that a trial does not have, as in
    conditional spaces, is flat in that trial's component. Fixed ranges (`space`) are the user's:
    names that no study knows are uniform, other names are ignored, and of trials with values
    outside either those values move to the nearest inside (`outside="move"`; choices that do not
    exist are flat), or the trials are left out before ranking (`outside="drop"`).

    Args:
        studies: a study, a list of them, or where to find them: a storage, a storage's URL, or
            the path of a journal file. Nothing is ever written there.
        names: of a storage, the studies to take: names or patterns such as "mnist-*"; all of them
            by default. A name that exists is itself before it is a pattern.
        exclude: names or patterns of studies to leave out, such as the one about to run.
        space: name -> Optuna distribution; see above.
        outside: "move" or "drop"; see above.
        top: the share of a study's trials that counts as its best, in (0, 1].
        objective: of studies with several objectives, the index of the one to rank by.
        metafeatures: study name -> what describes its task, a vector or a dict of numbers; missing
            ones may be None or NaN. Studies without any are as far as the median. A distance is
            the root mean square over robustly standardised features; its scale is chosen like the
            bandwidths from 5 studies on (infinite, which is equal weights, where nearness does not
            help), and is half the smallest distance between two studies below.
        target: the same for the study to come.
        bandwidth: of all kernels, in (0, 1], in place of those that are learned: a numeric
            kernel's standard deviation in unit coordinates; of a categorical one the share r of the
            largest bandwidth, so that λ = r · (c − 1)/c for c choices in Aitchison and Aitken's
            kernel (1976; `Prior.from_points` takes λ itself).
        floor: the uniform share, in (0, 1], in place of the one that is learned.
        max_components: the most components; points beyond are thinned out by systematic
            resampling. A sampler's time for each trial grows with them.
        adapt: whether the prior learns, during a search, which of the studies the present one is
            like; see `Prior.adapted`.

    Reading takes most of the time: about 5 ms for a study of 50 trials in memory, and 75 ms from
    SQLite, which is Optuna's.

    Returns:
        The prior. Its metadata says how many studies and trials there were, what became of them,
        and `held_out_log_ratio`: how many nats better than uniform the prior of the other studies
        was at a study's best trials, at the chosen settings (slightly flattered, since chosen).

    Raises:
        PriorError: where there is no study to learn from, a source cannot be read, or a parameter
            is an int in one study and a float or a choice in another, naming it.

    Example:
        >>> import optuna
        >>> from infoprior.priors import Prior, PriorSampler
        >>> def objective(trial, best):
        ...     return (trial.suggest_float("x", 0, 1) - best) ** 2
        >>> past = []
        >>> for seed, best in enumerate((0.28, 0.30, 0.32)):
        ...     study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
        ...     study.optimize(lambda trial: objective(trial, best), n_trials=40)
        ...     past.append(study)
        >>> prior = Prior.from_studies(past)
        >>> prior.log_ratio({"x": 0.3}) > 1.0 > 0.0 > prior.log_ratio({"x": 0.9})
        True
        >>> study = optuna.create_study(sampler=PriorSampler(prior, seed=1))
        >>> study.optimize(lambda trial: objective(trial, 0.31), n_trials=10)
    """
    check_settings(top, outside, bandwidth, floor, max_components, adapt)
    if objective is not None:
        objective = whole("objective", objective, 0)
    axes = None if space is None else make_axes(space)
    joint_space = JointSpace()
    best: list[TopTrials] = []
    totals: Counter[str] = Counter()
    n_studies = 0
    for study in _studies(studies, names, exclude):
        n_studies += 1
        where = f"study {short(study.study_name)}"
        with reading(where, studies):
            directions, trials = study.directions, study.get_trials(deepcopy=False)
        counts: dict[str, int] = {}
        ranked = _ranked(study.study_name, directions, trials, objective, counts)
        if axes is None:
            for trial, _ in ranked:
                joint_space.add(trial.distributions, where, trial.params)
        elif outside == "drop":
            inside = [pair for pair in ranked if contained(axes, pair[0].params)]
            counts["outside"] = len(ranked) - len(inside)
            ranked = inside
        mine = [trial for _, trial in ranked]
        chosen = top_trials(study.study_name, mine, top, counts, every=adapt)
        if chosen is not None:
            best.append(chosen)
        totals.update(counts)
    if not best:
        raise PriorError(
            f"studies: none of {n_studies} has two trials to compare; they have "
            f"{', '.join(f'{n} {k}' for k, n in totals.items() if n) or 'no trials'}."
        )
    return learn(
        best,
        joint_space.space() if space is None else space,
        bandwidth=bandwidth,
        floor=floor,
        max_components=max_components,
        metafeatures=metafeatures,
        target=target,
        metadata=source_metadata("studies", n_studies, best, totals),
    )


def _studies(source: Source, names: Names | None, exclude: Names) -> Iterator[Study]:
    """The studies, each once; from a storage in the order of their names."""
    if isinstance(source, (str, PathLike, BaseStorage)):
        with opened(source) as storage:
            with reading("the storage", source):
                every = sorted(optuna.get_all_study_names(storage=storage))
            if not every:
                raise PriorError("studies: there are none in this storage.")
            left_out = set(_matching(every, "exclude", exclude))
            for name in every if names is None else _matching(every, "names", names):
                if name not in left_out:
                    with reading(f"study {short(name)}", source):
                        study = optuna.load_study(study_name=name, storage=storage)
                    yield study
        return
    if isinstance(source, Study):
        source = [source]
    what = "a study, a list of studies, a storage, or its URL or path"
    if isinstance(source, Mapping):
        raise PriorError(f"studies: needs {what}, got a dict.")
    listed = items("studies", source, what)
    for study in listed:
        if not isinstance(study, Study):
            raise PriorError(
                f"studies: needs Optuna studies in a list, got {type(study).__name__}; a storage, "
                "its URL or path is given by itself."
            )
    every = [study.study_name for study in listed]
    wanted = set(every if names is None else _matching(every, "names", names))
    wanted -= set(_matching(every, "exclude", exclude))
    seen: set[int] = set()
    for study in listed:
        if study.study_name in wanted and id(study) not in seen:
            seen.add(id(study))
            yield study


def _matching(every: Sequence[str], where: str, patterns: Names) -> list[str]:
    """The names that the patterns mean, in order; one of `names` that means none is refused."""
    listed = [patterns] if isinstance(patterns, str) else items(where, patterns, "names")
    matched: set[str] = set()
    known = set(every)
    for pattern in listed:
        if not isinstance(pattern, str):
            raise PriorError(f"{where}: needs names or patterns, got {short(pattern)}.")
        hits = [pattern] if pattern in known else fnmatch.filter(every, pattern)
        if where == "names" and not hits:
            raise PriorError(f"names: no study {short(pattern)} among {len(every)}.")
        matched.update(hits)
    return [name for name in every if name in matched]


def _ranked(
    name: str,
    directions: Sequence[StudyDirection],
    trials: Sequence[FrozenTrial],
    objective: int | None,
    counts: dict[str, int],
) -> list[tuple[FrozenTrial, RankedTrial]]:
    """The trials that can be ranked; all are counted by what became of them."""
    signs = [-1.0 if d == StudyDirection.MAXIMIZE else 1.0 for d in directions]
    if objective is not None and objective >= len(signs):
        raise PriorError(
            f"objective: study {short(name)} has {len(signs)} objectives, "
            f"got the index {objective}."
        )
    result: list[tuple[FrozenTrial, RankedTrial]] = []
    for trial in trials:
        reason, ranked = _rank(trial, signs, objective)
        counts[reason] = counts.get(reason, 0) + 1
        if ranked is not None:
            result.append((trial, ranked))
    return result


def _rank(
    trial: FrozenTrial, signs: Sequence[float], objective: int | None
) -> tuple[str, RankedTrial | None]:
    """(what a trial is counted as, what is ranked of it)."""
    if not trial.params:
        return "without_parameters", None
    if trial.state == TrialState.PRUNED:
        step = trial.last_step
        if step is None or len(signs) > 1:
            return "pruned_without_values", None
        if not feasible(trial):
            return "infeasible", RankedTrial(trial.params, None)
        loss = signs[0] * trial.intermediate_values[step]
        stopped = step, math.inf if loss != loss else loss
        return "pruned", RankedTrial(trial.params, None, stopped)
    if trial.state != TrialState.COMPLETE:
        return ("failed" if trial.state == TrialState.FAIL else "unfinished"), None
    losses = [s * v for s, v in zip(signs, trial.values, strict=True)]
    if objective is not None:
        losses = [losses[objective]]
    return rank_complete(trial.params, losses, feasible=feasible(trial))
