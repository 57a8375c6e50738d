"""An Optuna sampler that proposes from a prior some of the time, and from any other the rest."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler

from ._draw import NOTHING, draw
from ._errors import PriorError
from ._prior import Prior

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState


class PriorSampler(BaseSampler):
    """Draws a share of a study's trials from a prior, and leaves the rest to a base sampler.

    With probability `weight` a trial is the prior's: every parameter the prior knows is drawn
    from it, jointly, each value given the ones the trial has already and restricted to the
    distribution the trial asks for. What the prior cannot propose is left to the base sampler:
    names it does not know, and distributions with which it has no value in common. All other
    trials are the base sampler's alone. The base sampler sees every trial, and learns from the
    prior's as from its own.

    It holds no state for a trial: a trial's draw hangs on the seed, the trial's number and the
    values it has. So threads and processes do not disturb each other, and a study resumed with
    the same seed goes on as it would have.

    Args:
        prior: what to draw from; its names are the study's parameter names.
        base: any other sampler; `TPESampler(seed=seed)` by default.
        weight: the share of the prior's trials, in [0, 1].
        seed: of this sampler's draws; taken from the system's entropy where None. A base sampler
            that is passed in has its own.

    Raises:
        PriorError: where an argument is out of its range.

    Which source proposed a trial is not written into the study: Optuna has no public way for a
    sampler to set a trial's user attributes. `source` answers it, in the objective or afterwards;
    to keep it, call `trial.set_user_attr(PriorSampler.SOURCE, sampler.source(trial))`.

    Example:
        >>> import optuna
        >>> from infoprior.priors import Prior, PriorSampler
        >>> space = {"depth": optuna.distributions.IntDistribution(1, 5)}
        >>> prior = Prior.from_points(space, [{"depth": 2}])
        >>> study = optuna.create_study(sampler=PriorSampler(prior, seed=0))
        >>> study.optimize(lambda trial: trial.suggest_int("depth", 1, 5), n_trials=3)
    """

    SOURCE = "infoprior:source"

    def __init__(
        self,
        prior: Prior,
        base: BaseSampler | None = None,
        weight: float = 0.75,
        seed: int | None = None,
    ) -> None:
        if not isinstance(prior, Prior):
            raise PriorError(f"prior: needs a Prior, got {type(prior).__name__}.")
        if base is not None and not isinstance(base, BaseSampler):
            raise PriorError(f"base: needs an Optuna sampler, got {type(base).__name__}.")
        if isinstance(weight, bool) or not 0.0 <= weight <= 1.0:
            raise PriorError(f"weight: needs to be in [0, 1], got {weight!r}.")
        self._prior, self._names, self._weight = prior, frozenset(prior.space), float(weight)
        self._base = TPESampler(seed=seed) if base is None else base
        self._seed = int(np.random.SeedSequence().generate_state(2, np.uint64)[0])
        if seed is not None:
            self._seed = int(seed)

    def __str__(self) -> str:
        return f"{type(self).__name__}({self._base}, weight={self._weight:g})"

    def source(self, trial: Any) -> Literal["prior", "base"]:
        """Which source proposes a trial: of a `Trial`, a `FrozenTrial` or a trial's number."""
        number = trial if isinstance(trial, int) else trial.number
        return "prior" if self._uniforms(number, "")[0] < self._weight else "base"

    def _uniforms(self, number: int, name: str) -> tuple[float, float]:
        """Two uniform numbers in [0, 1), a function of the seed, trial number and parameter.

        A keyed hash is a counter-based generator: nothing to lock, copy or reseed. numpy's
        generators take ten times as long to seed.
        """
        key = f"{self._seed}/{number}/{name}".encode("utf-8", "surrogatepass")
        digest = hashlib.blake2b(key, digest_size=16).digest()
        first, second = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")
        return math.ldexp(first >> 11, -53), math.ldexp(second >> 11, -53)

    def _draw(
        self, trial: FrozenTrial, name: str, live: BaseDistribution, given: dict[str, Any]
    ) -> Any:
        return draw(self._prior, name, live, given, *self._uniforms(trial.number, f"/{name}"))

    def _given(self, trial: FrozenTrial) -> dict[str, Any]:
        return {n: value for n, value in trial.params.items() if n in self._names}

    def reseed_rng(self) -> None:
        """Reseeds the base sampler. This one's draws differ by trial number: nothing to reseed."""
        self._base.reseed_rng()

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """The base sampler's."""
        return self._base.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The base sampler's values, with the prior's in place of them in the prior's trials."""
        # The base is always asked: some samplers (NSGA-II, CMA-ES) enter a trial into their
        # population here, and would not learn from the prior's trials otherwise.
        values = self._base.sample_relative(study, trial, search_space)
        if self.source(trial.number) == "base":
            return values
        given = self._given(trial)
        for name, live in search_space.items():
            if name in self._names:
                value = self._draw(trial, name, live, given)
                if value is not NOTHING:
                    values = {**values, name: value}
                    given[name] = value
        return values

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """The prior's value where it is the prior's trial and it has one, else the base's."""
        if param_name in self._names and self.source(trial.number) == "prior":
            value = self._draw(trial, param_name, param_distribution, self._given(trial))
            if value is not NOTHING:
                return value
        return self._base.sample_independent(study, trial, param_name, param_distribution)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """The base sampler's."""
        self._base.before_trial(study, trial)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """The base sampler's."""
        self._base.after_trial(study, trial, state, values)
