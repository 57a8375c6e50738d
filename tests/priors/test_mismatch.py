"""A prior whose names or values are not the study's: said once, by name; labels that are true."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import PartialFixedSampler, RandomSampler

from infoprior.priors import Prior, PriorSampler, hyperband_study, optimize
from infoprior.priors._search.mismatch import near_misses

Ask = Callable[[optuna.Trial], Any]


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)


def prior_of(**space: Any) -> Prior:
    return Prior.from_points(space, Prior.uniform(space).sample(2, np.random.default_rng(0)))


FLOAT, INT = FloatDistribution(0, 1), IntDistribution(1, 9)
KINDS = CategoricalDistribution(["sgd", "adam"])


def said(function: Callable[[], Any]) -> list[str]:
    """The warnings of the package."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    return [str(w.message) for w in caught if "prior" in str(w.message)]


def study_of(prior: Prior, ask: Ask, n: int = 20, **more: Any) -> tuple[optuna.Study, list[str]]:
    base = more.pop("base_sampler", RandomSampler(seed=0))
    study = optuna.create_study(sampler=PriorSampler(prior, base, seed=0, **more))
    texts = said(lambda: study.optimize(lambda trial: float(len(str(ask(trial)))), n_trials=n))
    return study, texts


def sources(study: optuna.Study) -> set[str]:
    return {trial.user_attrs[PriorSampler.SOURCE] for trial in study.trials}


MISMATCHES: dict[str, tuple[Prior, Ask, list[str], bool]] = {
    # (prior, what is asked, what is said, whether something of the prior is used)
    "all names": (
        prior_of(lr=FLOAT, layers=INT),
        lambda t: (t.suggest_float("learning_rate", 0, 1), t.suggest_int("n_layers", 1, 9)),
        ["'layers', 'lr'", "'learning_rate', 'n_layers'", "Nothing of the prior is used",
         "prior.rename({'layers': 'n_layers', 'lr': 'learning_rate'})"],
        False,
    ),
    "a near miss": (
        prior_of(dropout_rate=FLOAT, k=INT),
        lambda t: (t.suggest_float("dropout-rate", 0, 1), t.suggest_int("k", 1, 9)),
        ["'dropout_rate'", "other names are used", "rename({'dropout_rate': 'dropout-rate'})"],
        True,
    ),
    "no near miss": (
        prior_of(x=FLOAT, k=INT),
        lambda t: (t.suggest_float("alpha", 0, 1), t.suggest_int("k", 1, 9)),
        ["'x', which is not asked for", "'alpha', which the prior does not know", "{'x': 'alpha'}"],
        True,
    ),
    "another kind": (
        prior_of(k=INT, x=FLOAT),
        lambda t: (t.suggest_categorical("k", ["1", "2"]), t.suggest_float("x", 0, 1)),
        ["k in {1, 2, ..., 9}", "k in {'1', '2'}", "no value in common", "other names are used"],
        True,
    ),
    "another range": (
        prior_of(x=FLOAT), lambda t: t.suggest_float("x", 2, 3),
        ["x in [0, 1]", "x in [2, 3]", "Nothing of the prior is used"], False,
    ),
    "other choices": (
        prior_of(kind=KINDS), lambda t: t.suggest_categorical("kind", ["SGD", "Adam"]),
        ["kind in {'sgd', 'adam'}", "kind in {'SGD', 'Adam'}"], False,
    ),
    "choices that are objects": (
        prior_of(kind=KINDS), lambda t: t.suggest_categorical("kind", [("sgd",), ("adam",)]),
        ["kind in {'sgd', 'adam'}", "no value in common"], False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISMATCHES)
@pytest.mark.parametrize("adaptive", [True, False])
def test_a_mismatch_is_said_once_by_name(case: str, adaptive: bool) -> None:
    prior, ask, parts, used = MISMATCHES[case]
    study, texts = study_of(prior, ask, adaptive=adaptive)
    assert len(texts) == 1
    assert texts[0].startswith(f"study {study.study_name!r}: ")
    for part in parts:
        assert part in texts[0]
    assert ("prior" in sources(study)) == used
    assert "base" in sources(study)


def test_it_is_said_as_soon_as_a_trial_has_its_parameters() -> None:
    prior, ask, *_ = MISMATCHES["all names"]
    assert len(study_of(prior, ask, n=1)[1]) == 1


def fits(trial: optuna.Trial) -> Any:
    return trial.suggest_float("x", 0, 1), trial.suggest_int("k", 1, 9)


def branches(trial: optuna.Trial) -> Any:
    if trial.suggest_categorical("kind", ["sgd", "adam"]) == "sgd":
        return trial.suggest_float("momentum", 0, 1)
    return trial.suggest_float("beta", 0, 1)


FITTING: dict[str, tuple[Prior, Ask]] = {
    "the same": (prior_of(x=FLOAT, k=INT), fits),
    "the study asks for more": (prior_of(x=FLOAT), fits),
    "the prior knows more": (prior_of(x=FLOAT, k=INT, xx=FLOAT), fits),
    "other ranges": (
        prior_of(x=FloatDistribution(0.5, 2), k=FloatDistribution(0, 100)), fits
    ),
    "branches": (prior_of(kind=KINDS, momentum=FLOAT, beta=FLOAT), branches),
    "branches, one known": (prior_of(kind=KINDS, momentum=FLOAT), branches),
    "branches, one in another study": (prior_of(kind=KINDS, momentum=FLOAT, gamma=FLOAT), branches),
    "more layers": (
        prior_of(units_1=INT, units_2=INT),
        lambda t: [t.suggest_int(f"units_{i}", 1, 9) for i in range(3)],
    ),
    "a constant": (prior_of(x=FLOAT, k=INT), lambda t: (fits(t), t.suggest_float("c", 1, 1))),
}  # fmt: skip


@pytest.mark.parametrize("case", FITTING)
def test_a_prior_that_fits_says_nothing(case: str) -> None:
    study, texts = study_of(*FITTING[case])
    assert texts == []
    assert "prior" in sources(study)


def test_a_rename_makes_it_fit() -> None:
    if not hasattr(Prior, "rename"):
        pytest.skip("no Prior.rename")
    prior, ask, *_ = MISMATCHES["all names"]
    renamed = prior.rename({"layers": "n_layers", "lr": "learning_rate"})
    study, texts = study_of(renamed, ask)
    assert texts == []
    assert "prior" in sources(study)


def epochs(trial: optuna.Trial) -> float:
    value = trial.suggest_float("learning_rate", 0, 1)
    for step in (1, 3, 9):
        trial.report(value, step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return value


@pytest.mark.parametrize("promote", [True, False])
def test_once_a_study_however_often_it_is_opened(promote: bool, tmp_path: Path) -> None:
    def run(n: int, name: str = "s") -> list[str]:
        study = hyperband_study(
            prior_of(lr=FLOAT), name=name, max_resource=9, promote=promote, storage=tmp_path / "a"
        )
        texts = said(lambda: optimize(study, epochs, n, n_jobs=2))
        assert "prior" not in sources(optuna.load_study(study_name=name, storage=study._storage))
        return texts

    assert len(run(10)) == 1
    assert run(20) == []
    assert len(run(10, "another")) == 1


def test_several_studies_of_one_sampler_and_of_one_name() -> None:
    sampler = PriorSampler(prior_of(lr=FLOAT), seed=0)
    for name in ("a", "b", "a"):
        study = optuna.create_study(sampler=sampler, study_name=name)
        assert len(said(lambda study=study: study.optimize(epochs, n_trials=12))) == 1


def test_a_sampler_that_never_draws_from_the_prior_does_not_complain() -> None:
    assert study_of(prior_of(lr=FLOAT), fits, weight=0.0)[1] == []


def test_a_trial_without_a_value_of_the_prior_s_is_not_labelled_so(tmp_path: Path) -> None:
    """In the branch that it does not know; and what it is called counts for the adaptive."""

    def ask(trial: optuna.Trial) -> float:
        branch = trial.number % 3 > 0
        return trial.suggest_float("x" if branch else "y", 0, 1)

    storage = optuna.storages.JournalStorage(
        optuna.storages.journal.JournalFileBackend(str(tmp_path / "a"))
    )
    sampler = PriorSampler(prior_of(x=FLOAT), RandomSampler(seed=0), seed=0, storage=storage)
    study = optuna.create_study(storage=storage, study_name="s", sampler=sampler)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study.optimize(ask, n_trials=40)
    labels = [(t.number % 3 > 0, t.user_attrs[PriorSampler.SOURCE]) for t in study.trials]
    assert "prior" in {label for branch, label in labels if branch}
    assert {label for branch, label in labels if not branch} == {"uniform", "base"}
    outcomes = sampler._history._seen  # type: ignore[union-attr]
    assert all(outcomes[number].source_weights.prior == 0.0 for number in range(0, 40, 3))
    # Who has no parameter at all, or only constants and values fixed by others, has none of it.
    for function in (
        lambda t: 0.0,
        lambda t: t.suggest_float("x", 0.5, 0.5),
        lambda t: t.suggest_float("x", 0, 1),
    ):
        base = PartialFixedSampler({"x": 0.25}, RandomSampler(seed=0))
        other = optuna.create_study(sampler=PriorSampler(prior_of(x=FLOAT), base, 1.0, 0))
        other.optimize(function, n_trials=5)
        assert sources(other) <= {"base", "uniform"}


NEAR = [
    ("lr", "learning_rate"),
    ("learningRate", "learning_rate"),
    ("LR", "lr"),
    ("wd", "weight_decay"),
    ("n_layers", "num_layers"),
    ("layers", "n_layers"),
    ("act", "activation"),
    ("depth", "net.depth"),
    ("drop_out", "dropout"),
    ("momentun", "momentum"),
]
FAR = [("x", "y"), ("k", "depth"), ("units_1", "units_2"), ("sgd_lr", "beta"), ("momentum", "nest")]


def test_names_that_may_mean_the_same() -> None:
    for one, other in NEAR:
        assert near_misses([one], [other]) == {one: other}
        assert near_misses([other], ["zzz", one]) == {other: one}
    for one, other in FAR:
        assert near_misses([one], [other]) == {}
    assert near_misses(["lr", "LR"], ["learning_rate"]) == {"lr": "learning_rate"}
    assert near_misses([], ["a"]) == near_misses(["a"], []) == near_misses(["_"], ["__"]) == {}
