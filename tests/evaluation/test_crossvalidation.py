"""Predicting held-out tasks: only their profiles are seen, and families stay whole."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from infoprior.evaluation import predict_held_out
from infoprior.priors import Prior
from tests.factories import make_metadataset


class Recorder:
    """Remembers what it was shown; its prior sits on the first point of the space."""

    def fit(self, meta: Any) -> Recorder:
        self.fitted = sorted(meta.tasks["task"])
        self.space, self.point = dict(meta.space), next(iter(meta.points().values()))
        return self

    def predict_tasks(self, meta: Any, tasks: Any) -> dict[str, Prior]:
        self.shown, self.curves = sorted(meta.tasks["task"]), len(meta.curves)
        self.profiles = sorted(set(meta.profiles["task"]))
        return {task: Prior.from_points(self.space, [self.point]) for task in tasks}


def test_only_training_tasks_are_fitted_on():
    meta = make_metadataset(n_tasks=8, n_architectures=6)
    family = meta.tasks.set_index("task")["family"]
    held = sorted(family.index[family.isin([family.iloc[0], family.iloc[1]])])
    train = sorted(set(family.index) - set(held))
    predictor = Recorder()
    table, priors = predict_held_out(lambda: predictor, meta, held, train)
    assert predictor.fitted == train
    assert predictor.shown == predictor.profiles == held
    assert predictor.curves == 0
    assert list(priors) == held
    assert list(table["task"]) == [task for task in held for _ in range(6)]
    points = meta.points()
    for task, rows in table.groupby("task"):
        expected = priors[task].log_ratio([points[name] for name in rows["architecture"]])
        np.testing.assert_allclose(rows["log_ratio"], expected)
        assert rows["architecture"].iloc[rows["log_ratio"].argmax()] == next(iter(points))


def test_a_family_on_both_sides_is_refused():
    meta = make_metadataset(n_tasks=8, n_architectures=6)
    shared = meta.tasks.groupby("family").filter(lambda rows: len(rows) > 1)["task"].tolist()
    with pytest.raises(ValueError, match="both in training and held out"):
        predict_held_out(Recorder, meta, shared[:1], shared[1:2])
