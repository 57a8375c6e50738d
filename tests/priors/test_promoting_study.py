"""Promotions beside a prior, and studies that promote: `hyperband_study` and `optimize`."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from infoprior.priors import Prior, PriorError, PriorSampler, resumed_from
from infoprior.priors._search.brackets import bracket_schedule
from infoprior.priors._search.promotion import PromotingSampler, RungPruner
from infoprior.priors._search.runner import optimize
from infoprior.priors._search.study import hyperband_study
from infoprior.priors._trial import PROMOTES, RUNG
from tests.priors.test_promotion import objective_of
from tests.priors.workers import PRIOR, SPACE, objective, open_study

State = TrialState


@pytest.fixture(autouse=True)
def _quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)


def test_a_promotion_counts_once_for_the_source_of_its_configuration() -> None:
    study = open_study("memory", "study", promote=True)
    optimize(study, objective, 60)
    promoted = [t for t in study.trials if PROMOTES in t.user_attrs]
    assert {t.user_attrs[PriorSampler.SOURCE] for t in promoted} >= {"prior", "base"}
    for trial in promoted:
        old = study.trials[trial.user_attrs[PROMOTES]]
        assert trial.params == old.params
        for name in (PriorSampler.SOURCE, PriorSampler.PRIOR_WEIGHT):
            assert trial.user_attrs[name] == old.user_attrs[name]
    assert len({t.user_attrs[PROMOTES] for t in promoted}) == len(promoted)
    # What was continued is not weighed a second time.
    history = study.sampler.base_sampler._history  # type: ignore[attr-defined]
    assert history._later == {t.user_attrs[PROMOTES]: t.number for t in promoted}


def test_a_trial_that_was_continued_does_not_count_beside_its_promotion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from infoprior.priors._search import trial_history

    study, seen = open_study("memory", "study", promote=True), []
    real = trial_history.adapted_weights
    monkeypatch.setattr(
        trial_history,
        "adapted_weights",
        lambda o, s, **k: (seen.append([x.number for x in o]), real(o, s, **k))[1],
    )
    optimize(study, objective, 14)
    # Trials 9 to 11 continue three of the first nine, 12 from one of them.
    gone = {t.user_attrs[PROMOTES] for t in study.trials if PROMOTES in t.user_attrs}
    assert seen[-1] == [n for n in range(13) if n not in gone]


def test_stopped_where_the_weights_look_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trials 128 to 135 are told of those before 128; of them 129 to 132 are promotions."""
    from infoprior.priors._search import trial_history

    told_of: list[list[int]] = []
    real = trial_history.adapted_weights
    monkeypatch.setattr(
        trial_history,
        "adapted_weights",
        lambda o, s, **k: (told_of.append([x.number for x in o]), real(o, s, **k))[1],
    )
    whole = optimize(open_study("memory", "study", promote=True), objective, 136)
    uncut, storage = told_of[-1], InMemoryStorage()
    for n in (133, 136):
        study = optimize(open_study(storage, "study", promote=True), objective, n)
    assert told_of[-1] == uncut
    assert uncut[-1] == 127
    about = [[(t.params, t.user_attrs) for t in s.trials] for s in (whole, study)]
    assert about[0] == about[1]


def test_a_resumed_trial_is_compared_by_what_the_paused_one_reported_too() -> None:
    from infoprior.priors._search.adaptive_weights import Outcome
    from infoprior.priors._search.trial_history import joined

    parts = (1.0, 0.0, 0.0)
    paused = Outcome(3, parts, (1.0, 3.0), (0.1, 0.2))
    went_on = Outcome(9, parts, (3.0, 9.0), (0.25, 0.4))
    assert joined(paused, went_on) == Outcome(9, parts, (1.0, 3.0, 9.0), (0.1, 0.25, 0.4))
    assert joined(None, went_on) == went_on
    # In a study: an objective that reports from where it resumes.
    study = open_study("memory", "study", promote=True)

    def resuming(trial: optuna.Trial) -> float:
        rate = trial.suggest_float("rate", 1e-4, 1.0, log=True)
        before = resumed_from(trial)
        steps = [step for step in (1, 3, 9) if before is None or step > before.step]
        return objective_of(trial, rate, *steps)

    optimize(study, resuming, 13)
    top = study.trials[12]
    assert list(top.intermediate_values) == [9]
    history = study.sampler.base_sampler._history  # type: ignore[attr-defined]
    assert history._seen[12].steps == (1.0, 3.0, 9.0, math.inf)


def test_what_it_costs_to_resume() -> None:
    """An objective that resumes trains each configuration's epochs once."""
    epochs = {"resumed": 0, "again": 0}
    study = open_study("memory", "study", promote=True)
    optimize(study, objective, 20)
    for trial in study.trials:
        before = resumed_from(trial)
        epochs["again"] += trial.last_step or 0
        epochs["resumed"] += (trial.last_step or 0) - (before.step if before else 0)
    # 9 + 3 (3 - 1) + (9 - 3); 3 * 3 + (9 - 3); 3 * 9
    assert epochs == {"resumed": 9 + 6 + 6 + 9 + 6 + 27, "again": 9 + 9 + 9 + 9 + 9 + 27}


def test_settings_tell_it_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    optimize(open_study(path, "study"), objective, 3)
    with pytest.raises(PriorError, match=r"promote is None there and True here"):
        open_study(path, "study", promote=True)
    with pytest.raises(PriorError, match=r"^promote: needs to be True or False, got 'yes'"):
        open_study("memory", "study", promote="yes")


def test_it_wraps_any_sampler_by_itself() -> None:
    storage = InMemoryStorage()
    sampler = PromotingSampler(RandomSampler(seed=0), [1, 3, 9], 3, storage)
    study = optuna.create_study(storage=storage, sampler=sampler, pruner=RungPruner(9))
    study.optimize(objective, n_trials=20)
    assert sum(t.state == State.COMPLETE for t in study.trials) == 1 + 1 + 3
    assert str(sampler).startswith("PromotingSampler(RandomSampler")


def test_finds_more_in_the_same_epochs_than_optuna_s_pruner() -> None:
    """On a bowl whose fog lifts: the mean over seeds of the best after three full trainings."""

    def best(promote: bool, seed: int) -> float:
        study = hyperband_study(
            Prior.uniform(SPACE), name=f"s{seed}", max_resource=9, promote=promote, seed=seed,
            storage="memory", base_sampler=lambda s: RandomSampler(seed=s),
        )  # fmt: skip
        spent, found = 0, math.inf
        while spent < 27:
            trial = study.ask()
            before = resumed_from(trial)
            state, value = State.COMPLETE, None
            try:
                value = objective(trial)
            except optuna.TrialPruned:
                state = State.PRUNED
            ended = study.tell(trial, value, state=state)
            spent += (ended.last_step or 0) - (before.step if before else 0)
            if value is not None and spent <= 27:
                found = min(found, value)
        return found

    gaps = [best(True, seed) - best(False, seed) for seed in range(12)]
    assert sum(gaps) < 0.0


def test_the_prior_s_mode_is_tried_early() -> None:
    study = open_study("memory", "study", promote=True)
    optimize(study, objective, 9)
    own = [t for t in study.trials if t.user_attrs[PriorSampler.SOURCE] == "prior"]
    assert own[0].params == PRIOR.mode()


def test_a_study_promotes_unless_it_is_told_not_to() -> None:
    study = hyperband_study(name="s", min_resource=3, max_resource=81, storage="memory")
    assert isinstance(study.sampler, PromotingSampler)
    assert study.sampler.first_full == 39
    assert study.sampler.base_sampler._make(0)._lowest_rung == 3
    plain = hyperband_study(name="p", max_resource=27, promote=False, storage="memory")
    assert isinstance(plain.pruner, optuna.pruners.HyperbandPruner)


def _long(trial: optuna.Trial) -> float:
    x = trial.suggest_float("x", 0.0, 1.0)
    for epoch in range(1, 28):
        trial.report(x, epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return x


def test_a_study_without_a_trial_trained_to_the_end_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr(optuna.logging.get_logger("optuna"), "warning", said.append)
    for promote, n, told in ((True, 39, 1), (True, 40, 0), (False, 3, 0)):
        study = hyperband_study(
            name=f"{promote}/{n}", max_resource=27, promote=promote, storage="memory"
        )
        optimize(study, _long, n)
        assert len(said) == told
        optimize(study, _long, n)  # nothing left to do
        assert len(said) == 2 * told
        assert all(f"within {n} trials: trial 39 is the first" in text for text in said)
        said.clear()
    study = hyperband_study(name="late", max_resource=27, storage="memory")
    optimize(study, _long, 100, timeout=0.0)
    assert len(said) == 1
    assert "within 0 trials" in said[0]


def test_the_base_sees_the_rung_of_every_trial() -> None:
    """Its fraction of uniform trials depends on it."""
    seen: dict[int, Any] = {}

    class Spy(RandomSampler):
        def sample_independent(self, study: Any, trial: FrozenTrial, *rest: Any) -> Any:
            seen[trial.number] = trial.user_attrs.get(RUNG)
            return super().sample_independent(study, trial, *rest)

    for prior in (None, PRIOR):
        seen.clear()
        study = hyperband_study(
            prior,
            name="s",
            max_resource=27,
            storage="memory",
            base_sampler=lambda seed: Spy(seed=seed),
        )
        optimize(study, objective, 65)
        bottoms = [3**p.bottom for p, count in bracket_schedule(4, 3) for _ in range(count)]
        assert len(seen) > 8
        assert len(set(seen.values())) > 2
        assert all(rung == bottoms[number] for number, rung in seen.items())
