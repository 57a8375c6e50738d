"""The arms that are compared, and what their priors cost."""

import numpy as np
import pandas as pd
import pytest
import yaml

from pipeline.evaluation import comparisons, control, wide
from pipeline.variants import Arm, arms
from tests.pipeline.test_stages import TOP

PARAMS = yaml.safe_load((TOP / "params.yaml").read_text())["predictors"]


def test_every_learned_predictor_runs_with_every_input_and_its_control():
    found = arms(PARAMS)
    assert len(found) == len(set(found)) == 3 + 3 * 7
    controls = [arm for arm in found if arm.control]
    assert {arm.inputs for arm in controls} == {"mi-shuffled", "all-shuffled"}
    for arm in controls:
        assert arm.fits(3) == [(0, 0), (1, 1), (2, 2)]
        own = Arm(arm.predictor, arm.inputs[: -len("-shuffled")])
        assert arm.input_names == own.input_names
        # Whatever its draws are worth, both sides have the same ones.
        expected = [(-1, 0)] if arm.predictor == "nearest" else [(-1, 0), (-1, 1), (-1, 2)]
        assert own.fits(3) == expected
    assert Arm("trees", "accuracy").fits(2) == [(-1, 0), (-1, 1)]
    assert Arm("static", "nothing").fits(2) == [(-1, 0)]


@pytest.mark.parametrize(
    ("inputs", "cost"),
    [("nothing", 0), ("meta-features", 0), ("accuracy", 3), ("mi", 3.5), ("all", 3.5),
     ("mi-shuffled", 3.5)],
)  # fmt: skip
def test_probes_and_their_profiles_are_charged_to_who_needs_them(inputs, cost):
    assert Arm("trees", inputs).start_cost({"accuracy": 3.0, "mi": 0.5}) == cost


def results(gain):
    """Twelve tasks on which trees with their own MI are better by `gain` than everything else."""
    rng = np.random.default_rng(1)
    base = rng.uniform(0.2, 0.6, 12)
    rows = []
    for predictor, inputs, shuffle, shift in [
        ("static", "nothing", -1, 0.0),
        ("trees", "mi", -1, -gain),
        ("trees", "mi-shuffled", 0, 0.0),
        ("trees", "mi-shuffled", 1, 0.0),
    ]:
        for i, value in enumerate(base):
            rows.append({
                "predictor": predictor, "inputs": inputs, "shuffle": shuffle, "task": f"t{i}",
                "family": f"f{i}", "part": "development",
                "regret_at_4": value + shift + 0.01 * rng.normal(),
            })  # fmt: skip
    return pd.DataFrame(rows)


def test_the_control_sees_a_gain_and_none_where_there_is_none():
    row = control(results(0.1), ["regret_at_4"]).iloc[0]
    assert row["difference"] == pytest.approx(-0.1, abs=0.02)
    assert row["with_shuffled"] - row["with_own"] == pytest.approx(-row["difference"])
    assert row["p_holm"] < 0.01
    assert row["difference_high"] < 0
    none = control(results(0.0), ["regret_at_4"]).iloc[0]
    assert none["p_holm"] > 0.05


def test_the_report_has_one_row_an_arm_with_its_difference_to_static():
    long = comparisons(pd.concat([results(0.1), results(0.1).assign(part="test")]), ["regret_at_4"])
    table = wide(long, ["regret_at_4"]).set_index(["predictor", "inputs"])
    assert len(table) == 3
    assert table.loc[("static", "nothing"), "regret_at_4_minus_static"] == 0
    assert table.loc[("trees", "mi"), "regret_at_4_minus_static"] == pytest.approx(-0.1, abs=0.02)
    assert table.loc[("trees", "mi"), "test_n_tasks"] == 12
