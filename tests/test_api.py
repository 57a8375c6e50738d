"""The package's face: what it offers, what importing it costs, what `suggest` returns."""

import importlib
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import infoprior
from infoprior.predictors import make_predictor
from tests.factories import make_metadataset

HEAVY = ("torch", "mlflow", "sklearn", "scipy", "pandas", "optuna", "matplotlib")


def loaded_by(statement: str) -> set[str]:
    script = f"import sys\n{statement}\nprint(*(m for m in {HEAVY!r} if m in sys.modules))"
    return set(subprocess.check_output([sys.executable, "-c", script], text=True).split())


def test_importing_the_package_loads_nothing_heavy():
    assert loaded_by("import infoprior; dir(infoprior)") == set()


@pytest.mark.parametrize(
    "room",
    ["", ".evaluation", ".information", ".metadataset", ".predictors", ".profiles", ".report",
     ".tasks", ".training"],
)  # fmt: skip
def test_every_public_name_is_loaded_when_it_is_asked_for(room):
    package = importlib.import_module(f"infoprior{room}")
    assert sorted(package.__all__) == dir(package)
    for name in package.__all__:
        assert getattr(package, name) is not None
    with pytest.raises(AttributeError, match=f"module 'infoprior{room}' has no attribute 'no'"):
        _ = package.no


def test_the_command_line_answers_without_anything_heavy():
    call = "import runpy, sys\nsys.argv = ['infoprior', '--help']\n"
    call += "import infoprior.cli\ntry: infoprior.cli.app()\nexcept SystemExit: pass"
    script = f"import sys\n{call}\nprint('LOADED', *(m for m in {HEAVY!r} if m in sys.modules))"
    out = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert "suggest" in out
    assert out.split("LOADED")[1].split() == []


def test_everything_in_all_is_there():
    for name in infoprior.__all__:
        assert getattr(infoprior, name) is not None
    with pytest.raises(AttributeError, match="nothing"):
        _ = infoprior.nothing


def ring_task(n=300):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 2)).astype(np.float32)
    y = (np.hypot(*x.T) > 1.2).astype(np.int64)
    third = np.arange(n).reshape(3, -1)
    return infoprior.Task(
        name="ring", family="ring", source="test", kind="synthetic", X=x, y=y,
        train=third[0], validation=third[1], test=third[2],
        feature_names=("a", "b"), class_names=("in", "out"),
    )  # fmt: skip


def test_suggest_gives_points_of_the_space_best_first(tmp_path):
    meta = make_metadataset(n_tasks=8, n_architectures=16, seed=0)
    make_predictor("static", (), seed=0).fit(meta).save(tmp_path / "fitted")
    (tmp_path / "best.json").write_text('{"predictor": "fitted"}')
    suggestion = infoprior.suggest(ring_task(), tmp_path, n=5, seed=0)
    assert len(suggestion.architectures) == 5
    space = infoprior.get_space("mlp")
    for point in suggestion.architectures:
        assert space.validate(point) == point
    ratios = [suggestion.prior.log_ratio(point) for point in suggestion.architectures]
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] > 0.0  # better than uniform says
    again = infoprior.suggest(ring_task(), tmp_path, n=5, seed=0)
    assert again.architectures == suggestion.architectures
    assert suggestion.profile is None  # nothing of the task was read
    assert infoprior.suggest(None, tmp_path, n=5, seed=0).architectures == suggestion.architectures


def small_predictor():
    """Fitted on tasks of at most 200 + 90 rows, of which 240 were profiled after 9 epochs."""
    meta = make_metadataset(n_tasks=8, n_architectures=16, seed=0)
    tasks = meta.tasks.assign(n_train=np.arange(193, 201), n_validation=90)
    profiles = meta.profiles.assign(n=240, epoch=9)
    return make_predictor("nearest", "mi", seed=0).fit(
        replace(meta, tasks=tasks, profiles=profiles)
    )


def test_suggest_profiles_as_the_predictor_was_trained():
    suggestion = infoprior.suggest(ring_task(3000), small_predictor(), seed=0)
    assert set(suggestion.profile.layers["n"]) == {240}
    assert set(suggestion.profile.layers["epoch"]) == {9}
    assert suggestion.profile.curves["epoch"].max() == 9
    # Of the rows it saw, as in the meta-dataset, not of all 3,000.
    assert suggestion.profile.metafeatures["log_rows"] == pytest.approx(np.log(200))


def test_suggest_follows_the_recipe_or_refuses():
    predictor = small_predictor()
    assert predictor.profiled.recipe == "tabular-1"
    suggestion = infoprior.suggest(ring_task(), predictor, seed=0)
    assert set(suggestion.profile.layers["recipe"]) == {"tabular-1"}
    meta = make_metadataset(n_tasks=8, n_architectures=16, seed=0)
    foreign = replace(meta, profiles=meta.profiles.assign(recipe="tabular-99"))
    predictor = make_predictor("nearest", "mi", seed=0).fit(foreign)
    with pytest.raises(ValueError, match=r"no recipe 'tabular-99', it has \['tabular-1', "):
        infoprior.suggest(ring_task(), predictor, seed=0)


def test_rows_are_capped_by_class_and_the_test_rows_stay():
    from infoprior._api import as_profiled

    task, predictor = ring_task(3000), small_predictor()
    capped = as_profiled(task, predictor, seed=3)
    assert (len(capped.train), len(capped.validation)) == (200, 90)
    np.testing.assert_array_equal(capped.test, task.test)
    for part in ("train", "validation"):
        kept, rows = getattr(capped, part), getattr(task, part)
        assert set(kept) < set(rows)
        assert np.mean(task.y[kept]) == pytest.approx(np.mean(task.y[rows]), abs=1 / len(kept))
    assert as_profiled(task, predictor, seed=3).digest == capped.digest
    assert as_profiled(task, predictor, seed=4).digest != capped.digest
    assert as_profiled(capped, predictor, seed=5) is capped


def test_tasks_of_too_few_rows_are_refused_before_anything_is_trained(monkeypatch):
    from infoprior import training

    monkeypatch.setattr(training, "train", None)
    task = ring_task(60)
    with pytest.raises(ValueError, match=r"^ring: 40 training and validation rows.* at least 50"):
        infoprior.suggest(task, small_predictor())
    with pytest.raises(ValueError, match="40 training and validation rows"):
        infoprior.profile(task)


def test_suggest_refuses_no_architectures():
    with pytest.raises(ValueError, match="n = 0"):
        infoprior.suggest(ring_task(), "models", n=0)


def test_profile_of_any_trained_network():
    from infoprior.training import train

    space = infoprior.get_space("mlp")
    point = {**space.design(1)[0], "depth": 4, "learning_rate": 1e-3}
    network = train(ring_task(), point, space=space, epochs=3).network
    rows = infoprior.profile(ring_task(), network)
    assert list(rows["layer"]) == ["hidden_1", "hidden_2", "hidden_3", "hidden_4"]
    assert np.isfinite(rows[["mi_xt", "sigma", "mi_ty", "h_y"]].to_numpy()).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n = 0"), ({"n": 2.5}, "n = 2.5"), ({"n": "3"}, "n = '3'"),
        ({"seed": -1}, "seed = -1"), ({"threads": 0}, "threads = 0"),
        ({"predictor": 5}, "predictor is 5; give a fitted predictor"),
        ({"predictor": __file__}, "holds no predictor"),
        ({"task": "ring.csv"}, "task is 'ring.csv'; give a Task"),
    ],
)  # fmt: skip
def test_suggest_refuses_by_name_what_cannot_be(arguments, message):
    arguments = {"task": ring_task(60), "predictor": small_predictor()} | arguments
    with pytest.raises(ValueError, match=message) as refused:
        infoprior.suggest(arguments.pop("task"), **arguments)
    assert type(refused.value).__module__.startswith("infoprior.")
