"""Wrong arguments of studies and samplers: a PriorError that begins with the argument's name."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.study import StudyDirection

from infoprior.priors import PriorError, PriorSampler, fail_stale, hyperband_study, optimize
from infoprior.priors._search.local_search import LocalSearchSampler
from infoprior.priors._trial import SETTINGS
from tests.priors.workers import PRIOR, SPACE, objective

NAN, INF, BIG = math.nan, math.inf, 10**400


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)


def begins(name: str) -> Any:
    return pytest.raises(PriorError, match=rf"^{name}: ")


STUDY: dict[str, list[Any]] = {
    "name": [None, 3, "", b"s", "\ud800", "a\0b", ["s"]],
    "prior": ["prior.json", Path("prior.json"), {}, 3, RandomSampler()],
    "max_resource": [None, "9", 9.0, NAN, True, 0, -1, BIG, np.float64(9), [9], 2**53 + 1],
    "min_resource": [None, 1.0, True, 0, 10, -BIG],
    "reduction_factor": [None, 1, 2.5, True, "3", BIG],
    "direction": [None, "up", "MAXIMIZE", StudyDirection.NOT_SET, 1, ["minimize"], np.ones(2)],
    "weight": [None, NAN, -0.1, 1.1, "0.5", True, BIG, 1j, np.ones(1), np.bool_(True)],
    "adaptive": [None, 1, 0.0, "no", np.ones(1)],
    "promote": [None, 0, "yes"],
    "seed": [None, 1.5, -1, True, "7", NAN],
    "base_sampler": ["tpe", 3, RandomSampler, lambda: None, lambda seed: None],
    "storage": [3, "", b"a.journal", ["a"], {}, Path("no/such/a.journal")],
    "heartbeat": [0, True, 1.5, "60", -1],
}


@pytest.mark.parametrize("name", STUDY)
def test_of_hyperband_study(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for wrong in STUDY[name]:
        for prior in (PRIOR, None):
            storage = "sqlite://" if name == "heartbeat" else "new.journal"
            arguments = {"prior": prior, "name": "s", "max_resource": 9, "storage": storage}
            above = name == "min_resource" and wrong == 10
            with begins("max_resource" if above else name):
                hyperband_study(**{**arguments, name: wrong})
    assert not any(tmp_path.iterdir())  # nothing is made for a call that is refused


def test_names_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with begins("name"):
        hyperband_study(name="x" * 300, max_resource=9)
    with begins("name"):
        hyperband_study(name="ß" * 200, max_resource=9)  # bytes count
    with begins("name"):
        hyperband_study(name="x" * 513, max_resource=9, storage="sqlite:///a.db")
    assert not any(tmp_path.iterdir())
    for storage in ("a.journal", "memory", "sqlite:///a.db"):
        hyperband_study(name="x" * 512, max_resource=9, storage=storage)


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_optuna_s_directions_and_numpy_s_numbers_are_fine(direction: str) -> None:
    settings = [
        hyperband_study(PRIOR, name="s", storage="memory", **more).user_attrs[SETTINGS]
        for more in (
            {"direction": direction, "max_resource": 9, "weight": 0.5, "adaptive": True},
            {
                "direction": StudyDirection[direction.upper()],
                "max_resource": np.int32(9),
                "weight": np.float32(0.5),
                "adaptive": np.bool_(True),
                "seed": np.uint8(0),
            },
        )
    ]  # type: ignore[arg-type]
    assert settings[0] == settings[1]


def test_storages_of_every_form(tmp_path: Path) -> None:
    class Named:
        def __fspath__(self) -> str:
            return str(tmp_path / "named.journal")

    for storage in (Named(), tmp_path / "a", f"{tmp_path}/b", f"sqlite:///{tmp_path}/c.db"):
        study = hyperband_study(name="s", max_resource=9, storage=storage)
        assert len(optimize(study, objective, 2).trials) == 2


def test_a_study_with_several_objectives_is_refused() -> None:
    storage = InMemoryStorage()
    optuna.create_study(storage=storage, study_name="s", directions=["minimize"] * 2)
    with begins("name"):
        hyperband_study(name="s", max_resource=9, storage=storage)


def test_a_large_resource_takes_no_memory() -> None:
    """A cycle of brackets has as many trials as the largest resource, about."""
    study = hyperband_study(name="s", max_resource=2**40, reduction_factor=2, storage="memory")
    optimize(study, objective, 3)
    assert study.sampler.first_full > 2**40  # type: ignore[attr-defined]
    for n_steps in (9, 27):
        sampler: Any = hyperband_study(name="s", max_resource=n_steps, storage="memory").sampler
        cycle = [sampler._scheduled(number) for number in range(sampler._ends[-1] * 2)]
        assert cycle[: len(cycle) // 2] == cycle[len(cycle) // 2 :]
        rungs = [planned.rung for planned in cycle]
        assert sampler.first_full == rungs.index(max(rungs))


SAMPLER: dict[str, list[Any]] = {
    "prior": ["prior.json", Path("p"), None, {}, type(PRIOR)],
    "base_sampler": ["tpe", 3, RandomSampler, lambda: None],
    "weight": [None, NAN, INF, -0.1, 1.1, "0.5", True, BIG, np.ones(2)],
    "seed": [1.5, -1, True, "7", NAN],
    "adaptive": [None, 1, "no", []],
    "storage": ["sqlite:///a.db", Path("a"), 3, RandomSampler()],
}


@pytest.mark.parametrize("name", SAMPLER)
def test_of_a_prior_sampler(name: str) -> None:
    for wrong in SAMPLER[name]:
        with begins(name):
            PriorSampler(**{"prior": PRIOR, name: wrong})


def test_of_a_prior_sampler_s_methods() -> None:
    sampler = PriorSampler(PRIOR, seed=0)
    for wrong in (None, "s", 3):
        with begins("study"):
            sampler.prior_weight(wrong)  # type: ignore[arg-type]
        with begins("trial"):
            sampler.source(wrong)


def test_of_a_local_search_sampler() -> None:
    for wrong in (None, 1.5, -1, True, 2**32):
        with begins("seed"):
            LocalSearchSampler(wrong)  # type: ignore[arg-type]
    for wrong in (None, 0, True, 1.5):
        with begins("lowest_rung"):
            LocalSearchSampler(0, wrong)  # type: ignore[arg-type]
    study = optuna.create_study(sampler=LocalSearchSampler(2**32 - 1))
    study.optimize(objective, n_trials=3)


OPTIMIZE: dict[str, list[Any]] = {
    "study": [None, "s", RandomSampler()],
    "objective": [None, "f", 3.0],
    "n_trials": [None, -1, 2.0, True, "9", NAN],
    "n_jobs": [None, 0, -2, 1.0, True],
    "timeout": [NAN, -1, "9", True, 1j],
    "progress": [1, "yes", 0],
    "catch": ["ValueError", ValueError("x"), (ValueError, "x"), 3, None, (int,), KeyboardInterrupt],
    "callbacks": [print, 3, None, [3], "f"],
}


@pytest.mark.parametrize("name", OPTIMIZE)
def test_of_optimize(name: str) -> None:
    study = hyperband_study(name="s", max_resource=9, storage="memory")
    for wrong in OPTIMIZE[name]:
        with begins(name):
            optimize(**{"study": study, "objective": objective, "n_trials": 2, name: wrong})
    assert study.trials == []


def test_what_optimize_takes() -> None:
    def fails(trial: optuna.Trial) -> float:
        raise (ValueError, KeyError)[trial.number % 2]

    study = optuna.create_study()
    seen: list[int] = []
    for catch in ([ValueError, KeyError], Exception, {ValueError, KeyError}, iter([Exception])):
        callbacks = iter([lambda _, trial: seen.append(trial.number)])
        n = len(study.trials) + 2
        optimize(study, fails, n, catch=catch, callbacks=callbacks, timeout=INF)
    assert seen == list(range(8))
    optimize(study, objective, 20, timeout=0)
    assert len(study.trials) == 8
    optimize(study, objective, 9, timeout=np.float32(60))  # type: ignore[arg-type]
    assert len(study.trials) == 9


def test_of_fail_stale() -> None:
    study = hyperband_study(PRIOR, name="s", max_resource=9, storage="memory")
    study.ask(SPACE)
    for wrong in (NAN, -1, "60", True, [1], np.ones(1)):
        with begins("older_than"):
            fail_stale(study, older_than=wrong)  # type: ignore[arg-type]
    for wrong in (None, "s"):
        with begins("study"):
            fail_stale(wrong)  # type: ignore[arg-type]
    for older_than in (INF, 1e300, 10**300, np.int64(3600)):
        assert fail_stale(study, older_than=older_than) == []
    assert fail_stale(study, older_than=0) == [0]


# ---- the storage of another study


def test_a_storage_without_the_study() -> None:
    study = optuna.create_study(sampler=PriorSampler(PRIOR, seed=0, storage=InMemoryStorage()))
    with begins("storage"):
        study.optimize(objective, n_trials=1)
    with begins("storage"):
        study.sampler.prior_weight(study)  # type: ignore[attr-defined]


@pytest.mark.parametrize("n_there", [0, 1, 5])
def test_a_storage_with_another_study_of_its_name(n_there: int) -> None:
    other = optuna.create_study(study_name="s", storage=InMemoryStorage())
    other.optimize(objective, n_trials=n_there)
    other.ask()  # which is running, and could be written into
    sampler = PriorSampler(PRIOR, seed=0, storage=other._storage)
    study = optuna.create_study(study_name="s", storage=InMemoryStorage(), sampler=sampler)
    with begins("storage"):
        study.optimize(objective, n_trials=1)
    assert other.trials[-1].user_attrs == {}


def test_the_same_storage_opened_twice_is_the_study_s(tmp_path: Path) -> None:
    def journal() -> JournalStorage:
        return JournalStorage(JournalFileBackend(str(tmp_path / "a.journal")))

    url = f"sqlite:///{tmp_path}/a.db"
    for one, other in (
        (journal(), journal()),
        (url, optuna.storages.RDBStorage(url)),
        (memory := InMemoryStorage(), memory),
    ):
        sampler = PriorSampler(PRIOR, seed=0, storage=other)
        study = optuna.create_study(study_name="s", storage=one, sampler=sampler)
        study.optimize(objective, n_trials=4)
        assert all(PriorSampler.SOURCE in trial.user_attrs for trial in study.trials)
