"""Reading a task for the space `tabular`: its probes are networks that are published."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import optuna
import pandas as pd
import pytest

from infoprior import hyperband_study
from infoprior.metadataset import _jobs, published_task
from infoprior.metadataset._jobs import design, train_job
from infoprior.metadataset._tables import same_point
from infoprior.priors._trial import RUNG
from infoprior.profiles import (
    INPUT_FEATURES,
    PROFILE_COLUMNS,
    READ_ENCODINGS,
    READ_INPUT_FEATURES,
    READINGS,
    TABULAR_PROBES,
    ProfileError,
    input_encoders,
    input_profile,
    probe_trials,
    profile_task,
)
from infoprior.spaces import get_space
from infoprior.tasks import Task
from tests.factories import make_tabular


def test_the_probes_are_points_of_the_published_design() -> None:
    published = design(get_space("tabular"), "any", 48, 0)
    assert set(TABULAR_PROBES) <= set(published)
    for name, probe in TABULAR_PROBES.items():
        assert same_point(probe, published[name])


def test_a_task_is_read_as_the_published_networks_were(monkeypatch: pytest.MonkeyPatch) -> None:
    name = "synthetic2/1000"
    profile = profile_task(published_task(name), space="tabular")
    assert set(profile.layers["epoch"]) == {3}
    assert profile.curves.groupby("architecture")["epoch"].max().to_dict() == dict.fromkeys(
        TABULAR_PROBES, 3
    )
    assert set(profile.inputs) == set(INPUT_FEATURES)
    assert not [layer for layer in profile.layers["layer"] if layer == "inputs"]
    # The published job, of no other networks of the design.
    monkeypatch.setattr(_jobs, "design", lambda *_: dict(TABULAR_PROBES))
    job = train_job(name, 0, "tabular", 48, 0, 27)
    published = pd.DataFrame(job["layers"])
    published = published[published["epoch"] == 3].reset_index(drop=True)
    mine = profile.layers[profile.layers["architecture"].isin(published["architecture"])]
    for column in set(PROFILE_COLUMNS) - {
        "task",
        "seed",
        "architecture",
        "layer",
        "flags",
        "recipe",
    }:
        np.testing.assert_allclose(mine[column], published[column], atol=2e-5, err_msg=column)
    assert mine["layer"].tolist() == published["layer"].tolist()
    curves = pd.DataFrame(job["curves"])
    for row in profile.curves[profile.curves["epoch"].isin([1, 3])].itertuples():
        at = curves[(curves["architecture"] == row.architecture) & (curves["epoch"] == row.epoch)]
        if len(at):
            assert at["validation_accuracy"].item() == row.validation_accuracy


def test_inputs_are_read_where_they_are_asked_for(task: Task) -> None:
    assert READINGS["tabular"].encodings == READ_ENCODINGS
    assert not READINGS["mlp"].encodings
    assert profile_task(task, space="tabular", epochs=1, inputs=False).inputs == {}
    with pytest.raises(ProfileError, match=r"space = 'cnn': tables are read by the probes of one"):
        profile_task(task, space="cnn")


def test_what_is_read_of_inputs_is_as_in_a_whole_profile_of_them(task: Task) -> None:
    every = input_encoders()
    whole = input_profile(task, every).features()
    short = input_profile(task, {n: every[n] for n in READ_ENCODINGS}, linear_only=True)
    known = {n: v for n, v in short.features().items() if not math.isnan(v)}
    assert set(READ_INPUT_FEATURES) <= set(known)
    assert known == {n: whole[n] for n in known}
    assert short.pairs.empty
    assert "mi" not in short.whole
    assert math.isnan(short.features()["pair_max"])


def test_trials_of_probes_report_validation_accuracies_up_to_where_they_were_read() -> None:
    whole = make_tabular(4).profile("made/0")
    profile = replace(whole, curves=whole.curves[whole.curves["epoch"] <= 3])
    curves = profile.curves.set_index(["architecture", "epoch"])
    trials = probe_trials(profile)
    assert len(trials) == len(TABULAR_PROBES)
    for name, trial in zip(sorted(TABULAR_PROBES), trials, strict=True):
        reported = {e: curves.loc[(name, e), "validation_accuracy"] for e in (1, 3)}
        assert trial.intermediate_values == reported
        assert trial.user_attrs["test_accuracy"] == curves.loc[(name, 3), "test_accuracy"]
        assert reported[3] != trial.user_attrs["test_accuracy"]
        assert trial.user_attrs[RUNG] == 3
        assert trial.params == get_space("tabular").validate(TABULAR_PROBES[name])


def test_a_search_takes_over_what_the_probes_were_trained_for(task: Task) -> None:
    profile = profile_task(task, space="tabular", inputs=False)
    study = hyperband_study(
        name="task", max_resource=27, direction="maximize", seed=1,
        storage=optuna.storages.InMemoryStorage(),
    )  # fmt: skip
    study.add_trials(probe_trials(profile))
    space = get_space("tabular")

    def objective(trial: optuna.Trial) -> float:
        space.suggest(trial)
        for epoch in (1, 3, 9, 27):  # never as good as a probe
            trial.report(0.0, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return 0.0

    study.optimize(objective, n_trials=36)  # the first bracket, with the probes among its trials
    best = profile.curves[profile.curves["epoch"] == 3].sort_values("validation_accuracy")
    probes = range(len(TABULAR_PROBES))
    promoted = [t for t in study.trials if t.user_attrs.get("infoprior:promotes") in probes]
    assert promoted
    names = sorted(TABULAR_PROBES)
    first = names[promoted[0].user_attrs["infoprior:promotes"]]
    assert first in set(best["architecture"][best["validation_accuracy"].to_numpy()
                        == best["validation_accuracy"].max()])  # fmt: skip
    assert promoted[0].params == space.validate(TABULAR_PROBES[first])
    assert list(promoted[0].intermediate_values)[-1] == 9
