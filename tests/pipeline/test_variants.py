"""The variants that are compared, their names, and what their priors cost."""

import pandas as pd
import pytest
import yaml

from pipeline.choice import Choice
from pipeline.evaluation import ranked
from pipeline.variants import RANDOMISED, Variant, variants
from tests.pipeline.test_stages import TOP

PARAMS = yaml.safe_load((TOP / "params.yaml").read_text())["predictors"]


def test_only_what_draws_random_numbers_is_fitted_several_times():
    assert set(RANDOMISED) == {"trees", "network"}


def test_every_learned_predictor_runs_with_every_input_and_its_control():
    compared = variants(PARAMS)
    assert len(compared) == len(set(compared)) == 3 + 4 * 7
    controls = [variant for variant in compared if variant.is_control]
    assert {variant.inputs for variant in controls} == {
        f"{name}-shuffled" for name in ("data", "mi", "all")
    }
    for variant in controls:
        assert variant.fits(3) == [(0, 0), (1, 1), (2, 2)]
        own = Variant(variant.predictor, variant.inputs[: -len("-shuffled")])
        assert variant.input_names == own.input_names
        # Whatever its draws are worth, both sides have the same ones.
        expected = (
            [(-1, 0)]
            if variant.predictor in ("nearest", "performance")
            else [(-1, 0), (-1, 1), (-1, 2)]
        )
        assert own.fits(3) == expected
    assert Variant("trees", "accuracy").fits(2) == [(-1, 0), (-1, 1)]
    assert Variant("static", "nothing").fits(2) == [(-1, 0)]


@pytest.mark.parametrize(
    ("inputs", "cost"),
    [("nothing", 0), ("meta-features", 0), ("accuracy", 3), ("mi", 3.5), ("inputs", 0.25),
     ("all", 3.75), ("mi-shuffled", 3.5)],
)  # fmt: skip
def test_probes_and_their_profiles_are_charged_to_who_needs_them(inputs, cost):
    costs = {"accuracy": 3.0, "mi": 0.5, "inputs": 0.25}
    assert Variant("trees", inputs).start_cost(costs) == cost


def test_a_name_says_which_variant_it_is() -> None:
    for variant in variants(PARAMS):
        for name in (variant.name, f"fitted/{variant.name}", f"{variant.name}.json"):
            assert Variant.named(name) == variant
    assert Variant("trees", "mi").control == Variant("trees", "mi-shuffled")


def test_the_choice_is_read_as_it_was_written(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("pipeline.choice._FILE", tmp_path / "best.json")
    choice = Choice(Variant("network", "all"), Variant("trees", "mi"), "regret_at_4")
    choice.save()
    assert Choice.load() == choice
    assert list(choice.searched()) == [
        "uniform", "static", "predicted (network, all)", "predicted (trees, mi)"
    ]  # fmt: skip


def test_ranks_are_of_kendalls_tau_on_the_development_tasks_without_controls() -> None:
    rows = [
        {"predictor": name, "inputs": inputs, "task": f"t{i}", "family": f"f{i}", "part": part,
         "kendall_tau": tau + 0.01 * i}
        for name, inputs, part, tau in [
            ("trees", "data", "development", 0.5),
            ("static", "nothing", "development", 0.3),
            ("trees", "data-shuffled", "development", 0.9),
            ("trees", "mi", "development", 0.9),
            ("static", "nothing", "test", 0.9),
        ]
        for i in range(4 if part == "development" else 9)
    ]  # fmt: skip
    ranks = ranked(pd.DataFrame(rows))
    assert list(ranks.table["method"]) == ["trees / data", "static / nothing"]
    assert list(ranks.table["rank"]) == [1.0, 2.0]
    assert ranks.n_tasks == 4
