"""hyperband_study: the same trials again, stopped or not, and only with its own settings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.samplers import RandomSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from infoprior.priors import Prior, PriorError
from infoprior.priors._search.runner import optimize
from infoprior.priors._search.study import agree, fingerprint, hyperband_study
from infoprior.priors._trial import SETTINGS
from tests.priors.workers import PRIOR, SPACE, objective, open_study

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)


def rows(study: optuna.Study) -> list[Any]:
    """All that a trial is, without clocks and identifiers."""
    return [
        (t.number, t.state, t.params, t.values, t.intermediate_values, t.user_attrs)
        for t in study.get_trials()
    ]


def run(n: int, storage: Any = "memory", name: str = "study", **more: Any) -> list[Any]:
    return rows(optimize(open_study(storage, name, **more), objective, n))


def worker(storage: Path, n: int, name: str) -> None:
    """Continue to n trials in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.priors.workers"]
    arguments = [str(storage), name, str(n), f"{storage}.log"]
    subprocess.run([*command, *arguments], cwd=ROOT, check=True)


# ---- the same twice

VARIANTS: dict[str, dict[str, Any]] = {
    "prior": {},
    "no adaptive": {"adaptive": False},
    "random base": {"base_sampler": lambda seed: RandomSampler(seed=seed)},
    "multivariate": {"base_sampler": lambda seed: TPESampler(seed=seed, multivariate=True)},
    "no prior": {"prior": None},
    "promote": {"promote": True},
    "promote, TPE": {"promote": True, "base_sampler": lambda seed: TPESampler(seed=seed)},
    "promote, no prior": {"promote": True, "prior": None},
}


@pytest.mark.parametrize("variant", VARIANTS)
def test_same_seed_same_trials(variant: str, tmp_path: Path) -> None:
    more = VARIANTS[variant]
    first = run(40, **more)
    # What keeps the trials doesn't change them.
    assert first == run(40, tmp_path / "a.journal" if variant == "prior" else "memory", **more)
    assert {row[1] for row in first} == {TrialState.COMPLETE, TrialState.PRUNED}
    other = run(40, **{**more, "seed": 8})
    # Of two seeds the prior's first trial may be the same, its mode.
    assert sum(a[2] == b[2] for a, b in zip(first, other, strict=True)) <= 1


def test_sources_are_noted() -> None:
    attributes = [row[5] for row in run(30)]
    assert {a["infoprior:source"] for a in attributes} <= {"prior", "uniform", "base"}
    assert {"prior", "base"} <= {a["infoprior:source"] for a in attributes}
    assert all(0.0 < a["infoprior:prior_weight"] < 1.0 for a in attributes)


@pytest.mark.parametrize("variant", VARIANTS)
def test_stopped_and_resumed_as_if_it_had_not_been(variant: str) -> None:
    more, storage = VARIANTS[variant], InMemoryStorage()
    run(20, storage, **more)
    run(37, storage, **more)
    assert run(50, storage, **more) == run(50, **more)


@pytest.mark.parametrize("name", ["study", "promoting"])
def test_resumed_in_a_new_process(tmp_path: Path, name: str) -> None:
    storage = tmp_path / "a.journal"
    worker(storage, 30, name)
    assert len(rows(open_study(storage, name))) == 30
    worker(storage, 60, name)
    assert rows(open_study(storage, name)) == run(60, name=name)


def test_brackets_hang_on_the_name() -> None:
    def states(name: str) -> list[TrialState]:
        study = hyperband_study(PRIOR, name=name, max_resource=9, promote=False, storage="memory")
        return [t.state for t in optimize(study, objective, 40).trials]

    assert states("one") == states("one")
    assert states("one") != states("another")


class Spy(RandomSampler):
    """Notes how many trials the study shows it."""

    seen: list[int] = []  # noqa: RUF012

    def sample_independent(self, study: Any, *rest: Any) -> Any:
        self.seen.append(len(study.get_trials(deepcopy=False)))
        return super().sample_independent(study, *rest)


def test_brackets_are_there_before_the_first_report() -> None:
    storage, more = InMemoryStorage(), {"prior": None, "base_sampler": lambda s: Spy(seed=s)}
    optimize(open_study(storage, "study", **more), objective, 30)
    Spy.seen.clear()
    again = open_study(storage, "study", **more)
    assert len(again.get_trials()) == 30
    again.ask(SPACE)
    # Of 13 : 6 : 3 trials in three brackets, no bracket has nearly all.
    assert max(Spy.seen) < 25


# ---- other settings

OTHERS: list[tuple[dict[str, Any], str]] = [
    ({"seed": 8}, "seed is 7 there and 8 here"),
    ({"max_resource": 27}, "max_resource is 9 there and 27 here"),
    ({"min_resource": 2}, "min_resource is 1 there"),
    ({"reduction_factor": 2}, "reduction_factor is 3 there"),
    ({"weight": 0.6}, "weight is 0.25 there and 0.6 here"),
    ({"adaptive": False}, "adaptive is True there and False here"),
    ({"base_sampler": lambda seed: RandomSampler(seed=seed)}, "base_sampler is 'TPESampler' there"),
    ({"base_sampler": TPESampler(seed=7)}, "base_sampler is 'TPESampler' there"),
    ({"direction": "maximize"}, "direction is 'minimize' there"),
    ({"prior": Prior.uniform(SPACE)}, "prior is '[0-9a-f]{16}' there"),
    ({"prior": None}, "prior is '[0-9a-f]{16}' there and None here"),
]


@pytest.mark.parametrize(("other", "says"), OTHERS)
def test_a_study_is_opened_with_its_own_settings_only(other: dict[str, Any], says: str) -> None:
    storage = InMemoryStorage()
    study = open_study(storage, "study")
    before = dict(study.user_attrs)
    with pytest.raises(PriorError, match=rf"^name: the study 'study' has other settings: .*{says}"):
        open_study(storage, "study", **other)
    assert open_study(storage, "study").user_attrs == before


def test_all_of_a_prior_counts_among_the_settings_but_its_metadata() -> None:
    storage = InMemoryStorage()
    open_study(storage, "study")
    open_study(storage, "study", prior=PRIOR.with_metadata(origin="elsewhere"))
    assert fingerprint(PRIOR) != fingerprint(Prior.uniform(SPACE))
    names = ("\N{GRINNING FACE}", "\ud83d\ude00", "1", "-1")
    kinds = (1, "1", 1.0, True, None)
    others = [Prior.uniform({n: FloatDistribution(0.0, 1.0)}) for n in names]
    others += [Prior.uniform({"x": CategoricalDistribution((c, "b"))}) for c in kinds]
    others += [
        Prior.from_points({"x": FloatDistribution(0.0, 1.0)}, [{"x": x}])
        for x in (0.5, 0.5 + 2**-53)
    ]
    assert len({fingerprint(prior) for prior in others}) == len(others)
    settings = open_study(storage, "study").user_attrs[SETTINGS]
    assert json.loads(json.dumps(settings)) == settings


def test_a_study_made_otherwise_is_refused() -> None:
    storage = InMemoryStorage()
    optuna.create_study(storage=storage, study_name="study").optimize(objective, n_trials=1)
    with pytest.raises(PriorError, match="not made by this function"):
        open_study(storage, "study")
    # One that was begun and never used is taken over, if its direction fits.
    optuna.create_study(storage=storage, study_name="new", direction="maximize")
    with pytest.raises(PriorError, match="another direction"):
        open_study(storage, "new")
    open_study(storage, "new", direction="maximize")


def test_a_study_that_another_worker_has_just_begun() -> None:
    class Late(optuna.Study):
        """Another worker agrees and begins between our looking for settings and for trials."""

        begun = False

        def get_trials(self, *args: Any, **kwargs: Any) -> Any:
            if not self.begun:
                self.begun = True
                self.set_user_attr(SETTINGS, {"seed": 1})
                self.ask()
            return super().get_trials(*args, **kwargs)

    def late(name: str) -> optuna.Study:
        optuna.create_study(storage=storage, study_name=name)
        return Late(study_name=name, storage=storage)

    storage = InMemoryStorage()
    agree(late("same"), {"seed": 1})
    with pytest.raises(PriorError, match="seed is 1 there and 2 here"):
        agree(late("other"), {"seed": 2})


def make_random(seed: int) -> RandomSampler:
    return RandomSampler(seed=seed)


def make_tpe_of_three(seed: int) -> TPESampler:
    return TPESampler(n_startup_trials=3, seed=seed)


def test_a_function_counts_by_its_name() -> None:
    storage = InMemoryStorage()
    open_study(storage, "study", base_sampler=make_tpe_of_three)
    open_study(storage, "study", base_sampler=make_tpe_of_three)
    with pytest.raises(PriorError, match="'TPESampler of make_tpe_of_three' there and 'TPESa"):
        open_study(storage, "study")
    with pytest.raises(PriorError, match="here"):
        open_study(storage, "study", base_sampler=make_random)
    # Of lambdas nothing but what they make is known, and Optuna's samplers do not say more.
    open_study(storage, "lambda", base_sampler=lambda seed: TPESampler(seed=seed))
    open_study(
        storage, "lambda", base_sampler=lambda seed: TPESampler(n_startup_trials=3, seed=seed)
    )


GIVEN: dict[str, Any] = {"prior": PRIOR, "name": "s", "max_resource": 9, "storage": "memory"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"name": ""}, "name: the study needs one"),
        ({"prior": 3}, "prior: needs a Prior or None, got int"),
        ({"seed": None}, "seed: needs to be an int"),
        ({"seed": -1}, "seed: needs to be an int"),
        ({"direction": "up"}, "direction: needs 'minimize' or 'maximize'"),
        ({"max_resource": 0}, "max_resource: needs to be an int of 1 or more"),
        ({"max_resource": "auto"}, "max_resource: needs to be an int"),
        ({"min_resource": True}, "min_resource: needs to be an int"),
        ({"reduction_factor": 1}, "reduction_factor: needs to be an int of 2 or more"),
        ({"min_resource": 10}, "max_resource: 9 is below min_resource, 10"),
        ({"max_resource": 243, "promote": False}, "loses a bracket of 243 .* 244 .* promote=True"),
        ({"weight": 2.0}, "weight"),
        ({"base_sampler": 3}, "base_sampler"),
        ({"base_sampler": 3, "prior": None}, "base_sampler: needs a function seed"),
        (
            {"base_sampler": TPESampler, "prior": None},
            "base_sampler: needs a function seed",
        ),
        (
            {"base_sampler": lambda seed: seed},
            "base_sampler: the function needs to return",
        ),
        ({"weight": "a"}, "weight: needs to be in"),
        ({"weight": 7, "prior": None}, "weight: needs to be in .* got 7"),
        ({"weight": "a", "prior": None}, "weight: needs to be in .* got 'a'"),
        ({"weight": float("nan"), "prior": None}, "weight: needs to be in"),
        ({"weight": True, "prior": None}, "weight: needs to be in"),
        ({"adaptive": "no"}, "adaptive: needs to be True or False, got 'no'"),
        ({"adaptive": None, "prior": None}, "adaptive: needs to be True or False"),
        ({"storage": "/"}, "storage: / is a directory"),
        ({"storage": "sqlite://", "heartbeat": 0}, "heartbeat: needs to be an int of 1 or more"),
    ],
)
def test_arguments_out_of_range(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(PriorError, match=says):
        hyperband_study(**{**GIVEN, **arguments})


def test_numpy_s_ints_are_ints() -> None:
    more = {"max_resource": np.int64(9), "seed": np.uint8(7), "storage": "memory"}
    settings = hyperband_study(PRIOR, name="s", **more).user_attrs[SETTINGS]
    assert settings == hyperband_study(
        PRIOR, name="s", max_resource=9, seed=7, storage="memory"
    ).user_attrs.get(SETTINGS)


def test_all_resources_are_fine_for_promoting_and_nearly_all_for_optuna_s_pruner() -> None:
    for eta in (2, 3, 4):
        for k in range(1, 7):
            for top in (eta**k - 1, eta**k, eta**k + 1):
                more = {"reduction_factor": eta, "storage": "memory"}
                hyperband_study(name="s", max_resource=top, **more)
                if (eta, top) != (3, 243):
                    hyperband_study(name="s", max_resource=top, promote=False, **more)
