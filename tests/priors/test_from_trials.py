"""A table says what its study says."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.distributions import (
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState

from infoprior.priors import Prior, PriorError
from tests.priors.past import SPACE, add, centers, random_study

pd = pytest.importorskip("pandas")

X = {"x": FloatDistribution(0.0, 1.0)}


@pytest.fixture
def studies() -> list[optuna.Study]:
    rng = np.random.default_rng(0)
    return [random_study(c, 30, rng, f"s{i}") for i, c in enumerate(centers(5, 0.05, rng))]


def components(prior: Prior) -> Any:
    return prior.to_dict()["components"]


@pytest.mark.parametrize("multi_index", [False, True])
def test_a_studys_table_gives_the_studys_prior(
    studies: list[optuna.Study], multi_index: bool
) -> None:
    frame = studies[0].trials_dataframe(multi_index=multi_index)
    assert components(Prior.from_trials(frame, space=SPACE)) == components(
        Prior.from_studies(studies[0])
    )


def test_a_column_says_which_study(studies: list[optuna.Study]) -> None:
    frames = [s.trials_dataframe().assign(task=s.study_name) for s in studies]
    frame = pd.concat(frames).sample(frac=1.0, random_state=0)
    prior = Prior.from_trials(frame, space=SPACE, study="task")
    same = Prior.from_studies(studies)
    assert prior.metadata["studies"] == 5
    assert prior.floor == same.floor
    points = Prior.uniform(SPACE).sample(50, np.random.default_rng(1))
    np.testing.assert_allclose(prior.log_ratio(points), same.log_ratio(points), atol=1e-9)
    features = {f"s{i}": [float(i)] for i in range(5)}
    described = Prior.from_trials(
        frame, space=SPACE, study="task", metafeatures=features, target=[0.0]
    )
    assert described.metadata["studies_effective"] <= 5.0


def test_plain_columns_named_as_the_space() -> None:
    x = np.linspace(0, 1, 21)
    frame = pd.DataFrame({"x": x, "accuracy": -((x - 0.3) ** 2), "note": "text"})
    prior = Prior.from_trials(frame, space=X, value="accuracy", direction="maximize")
    assert prior.mode()["x"] == pytest.approx(0.3)
    worst = Prior.from_trials(frame, space=X, value="accuracy")
    assert worst.mode()["x"] == pytest.approx(1.0)


def test_states_are_respected() -> None:
    study = optuna.create_study()
    for i in range(6):
        add(study, TrialState.COMPLETE, i / 10, [float(i)])
    add(study, TrialState.PRUNED, 0.9, steps={1: -9.0})
    add(study, TrialState.FAIL, 0.95)
    add(study, TrialState.RUNNING, 0.97)
    prior = Prior.from_trials(study.trials_dataframe(), space=X)
    counts = {k: v for k, v in prior.metadata.items() if k.startswith("trials_")}
    assert counts["trials_pruned"] == counts["trials_failed"] == counts["trials_unfinished"] == 1
    assert max(c["kernels"]["x"]["center"] for c in components(prior)) < 0.9
    with pytest.raises(PriorError, match="'BROKEN'"):
        Prior.from_trials(pd.DataFrame({"x": [0.1], "value": [1.0], "state": ["broken"]}), space=X)


def test_several_objectives_and_their_directions() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    for i in range(5):
        add(study, TrialState.COMPLETE, i / 100, [i, i])
    for i in range(15):
        add(study, TrialState.COMPLETE, 0.5 + i / 100, [10.0 + i, -i])
    frame = study.trials_dataframe()
    prior = Prior.from_trials(frame, space=X, direction=["minimize", "maximize"])
    assert components(prior) == components(Prior.from_studies(study))
    one = Prior.from_trials(frame, space=X, value="values_1", direction="maximize")
    assert components(one) == components(Prior.from_studies(study, objective=1))


def test_constraints_columns() -> None:
    frame = pd.DataFrame({"x": [0.1, 0.2, 0.5, 0.6], "value": [0.0, 1.0, 2.0, 3.0]})
    frame["system_attrs_constraints"] = [[0.5, -1.0], [-1.0, -1.0], None, [-0.1]]
    frame["system_attrs_constraints:memory"] = [None, 0.1, -1.0, 0.0]
    prior = Prior.from_trials(frame, space=X)
    assert prior.metadata["trials_infeasible"] == 2
    assert sorted(c["kernels"]["x"]["center"] for c in components(prior)) == [0.5, 0.6]


def test_missing_cells_are_parameters_a_trial_does_not_have() -> None:
    space = {
        "model": CategoricalDistribution(("tree", "net", None)),
        "depth": IntDistribution(1, 8),
    }
    frame = pd.DataFrame(
        {
            "params_model": pd.Series(["tree", "net", None, "tree"], dtype=object),
            "params_depth": pd.array([3, pd.NA, pd.NA, 5], dtype="Int64"),
            "value": [1.0, 0.0, 0.5, None],
        }
    )
    prior = Prior.from_trials(frame, space=space, top=1.0)
    parts = components(prior)
    assert prior.metadata["trials_without_value"] == 1
    assert len(parts) == 2  # the better half of three: net, then None, which is a choice
    assert [int(np.argmax(c["kernels"]["model"]["probabilities"])) for c in parts] == [1, 2]
    assert all(c["kernels"]["depth"]["width"] >= 100.0 for c in parts)


def test_a_space_from_the_values_seen() -> None:
    frame = pd.DataFrame(
        {
            "params_lr": [1e-4, 1e-3, 0.2, 0.1],
            "params_momentum": [0.1, 0.5, 0.9, 0.3],
            "params_layers": [1, 2, 3, 4],
            "params_gaps": [16.0, None, 32.0, 64.0],
            "params_optimizer": ["sgd", "adam", "adam", "sgd"],
            "params_nesterov": [True, False, True, True],
            "params_unused": [None] * 4,
            "value": [1.0, 2.0, 3.0, 4.0],
        }
    )
    assert Prior.from_trials(frame).space == {
        "lr": FloatDistribution(1e-4, 0.2, log=True),
        "momentum": FloatDistribution(0.1, 0.9),
        "layers": IntDistribution(1, 4),
        "gaps": IntDistribution(16, 64),
        "optimizer": CategoricalDistribution(("adam", "sgd")),
        "nesterov": CategoricalDistribution((False, True)),
    }


FRAME = pd.DataFrame({"x": [0.1, 0.2, 0.3], "value": [1.0, 2.0, 3.0]})


@pytest.mark.parametrize(
    ("frame", "kwargs", "match"),
    [
        ([1, 2], {}, "^frame: needs a pandas DataFrame"),
        (FRAME, {}, "^space: is needed"),
        (FRAME, {"space": {"y": X["x"]}}, r"^frame: has no column for any of \['y'\]"),
        (FRAME, {"space": X, "value": "loss"}, "^value: the frame has no column 'loss'"),
        (FRAME[["x"]], {"space": X}, "^value: the frame has no column 'value'"),
        (FRAME, {"space": X, "direction": "up"}, "^direction: .*'up'"),
        (FRAME, {"space": X, "direction": ["minimize"] * 2}, "^direction: there are 2 for 1"),
        (FRAME, {"space": X, "study": "task"}, "^study: the frame has no column 'task'"),
        (FRAME.assign(value="a"), {"space": X}, "^value: column 'value' needs numbers, got 'a'"),
        (FRAME[:1], {"space": X}, "^frame: there are no two trials"),
        (FRAME[:0], {"space": X}, "^frame: there are no two trials"),
        (FRAME, {"space": X, "outside": "no"}, "^outside"),
        (
            pd.DataFrame({"params_layers": [[1], [2]], "value": [0.0, 1.0]}),
            {},
            "^frame: column 'layers' holds lists",
        ),
    ],
)
def test_wrong_tables_are_named(frame: Any, kwargs: dict[str, Any], match: str) -> None:
    with pytest.raises(PriorError, match=match):
        Prior.from_trials(frame, **kwargs)


def test_outside_rows_move_or_are_left_out() -> None:
    frame = pd.DataFrame({"x": [1.5, 1.4, 0.5, 0.4, 0.3, 0.2], "value": range(6)})
    moved = Prior.from_trials(frame, space=X)
    assert moved.metadata["values_moved"] == 2
    assert max(c["kernels"]["x"]["center"] for c in components(moved)) == 1.0
    dropped = Prior.from_trials(frame, space=X, outside="drop")
    assert dropped.metadata["trials_outside"] == 2
    assert [c["kernels"]["x"]["center"] for c in components(dropped)] == [0.5, 0.4]
