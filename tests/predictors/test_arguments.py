"""Wrong arguments end in the room's own error, which names the argument."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from infoprior.predictors import (
    PredictorError,
    PriorSettings,
    features,
    load_predictor,
    make_predictor,
)
from tests.factories import make_metadataset

META = make_metadataset(n_tasks=8, n_architectures=6)
PROFILE = META.profile("made/0")
FITTED = make_predictor("nearest", "all").fit(META)


def other_profile(**layers: Any) -> Any:
    return dataclasses.replace(PROFILE, layers=PROFILE.layers.assign(**layers))


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: PriorSettings(temperature="0.2"), "temperature"),  # type: ignore[arg-type]
        (lambda: PriorSettings(temperature=np.inf), "temperature"),
        (lambda: PriorSettings(floor=True), "floor"),
        (lambda: PriorSettings(bandwidth=None), "bandwidth"),  # type: ignore[arg-type]
        (lambda: PriorSettings(components=2.5), "components"),  # type: ignore[arg-type]
        (lambda: PriorSettings(candidates=20_000), "candidates"),
        (lambda: make_predictor(["trees"]), "no predictor"),  # type: ignore[arg-type]
        (lambda: make_predictor("trees", 5), "inputs"),  # type: ignore[arg-type]
        (lambda: make_predictor("trees", seed=-1), "seed"),
        (lambda: make_predictor("trees", trees="9"), "trees"),
        (lambda: make_predictor("trees", max_features=0), "max_features"),
        (lambda: make_predictor("network", dropout=1.0), "dropout"),
        (lambda: make_predictor("nearest", neighbors=np.nan), "neighbors"),
        (lambda: make_predictor("static").fit(META.tasks), "meta"),  # type: ignore[arg-type]
        (lambda: features(META, "mi"), "profile"),  # type: ignore[arg-type]
        (lambda: FITTED.predict(5), "profile"),  # type: ignore[arg-type]
        (lambda: FITTED.predict_tasks(META, "made/0"), "tasks"),
        (lambda: FITTED.with_settings(real_weight=2.0), "real_weight"),
        (lambda: FITTED.with_settings(floor=2.0), "floor"),
        (lambda: FITTED.predict(other_profile(recipe="maps-1")), "recipe"),
        (lambda: FITTED.predict(other_profile(n=5_000)), "rows"),
        (lambda: FITTED.predict(other_profile(epoch=9)), "epochs"),
        (lambda: FITTED.priors_of_scores(META.space, FITTED.points, {"a": [np.nan] * 6}), "'a'"),
        (lambda: FITTED.priors_of_scores(META.space, FITTED.points, {"a": [0.0]}), "6 points"),
        (lambda: load_predictor(5), "directory"),  # type: ignore[arg-type]
    ],
)
def test_each_is_refused_by_name(call: Callable[[], Any], name: str) -> None:
    with pytest.raises(PredictorError, match=name):
        call()


def test_a_share_of_columns_is_one_as_an_int_too() -> None:
    """scikit-learn reads the int 1 as one column."""
    assert type(make_predictor("trees", max_features=1).settings.max_features) is float


def test_other_settings_of_the_prior_need_no_other_fit() -> None:
    settings = {"temperature": 0.7, "bandwidth": 0.3, "floor": 0.2, "components": 3}
    anew = make_predictor("nearest", "all", **settings).fit(META)
    changed = FITTED.with_settings(**settings)
    assert changed.predict(PROFILE) == anew.predict(PROFILE)
    assert FITTED.predict(PROFILE) != anew.predict(PROFILE)


def test_files_of_two_predictors_are_refused(tmp_path: Path) -> None:
    FITTED.save(tmp_path)
    header = json.loads((tmp_path / "predictor.json").read_text())
    for damage in ({"points": header["points"][:3]}, {"features": header["features"][:-1]}):
        (tmp_path / "predictor.json").write_text(json.dumps({**header, **damage}))
        with pytest.raises(PredictorError, match="do not belong together"):
            load_predictor(tmp_path)
