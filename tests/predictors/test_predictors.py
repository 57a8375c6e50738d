"""The predictors against the synthetic meta-dataset, where the MI decides what is good."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import kendalltau

from infoprior.files import write_atomically
from infoprior.metadataset import MetaDataset
from infoprior.predictors import (
    PREDICTORS,
    Predictor,
    PredictorError,
    load_predictor,
    make_predictor,
)
from infoprior.predictors._network import holdouts
from infoprior.predictors._targets import normal_scores
from infoprior.predictors._trees import forest_arrays, walk
from infoprior.spaces import get_space
from tests.factories import make_metadataset, task_latents, true_quality

READERS = ("nearest", "trees", "network")
N_TASKS, N_TRAIN = 32, 24


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def meta() -> MetaDataset:
    return make_metadataset(N_TASKS, 16, seed=0)


@pytest.fixture(scope="module")
def train(meta: MetaDataset) -> MetaDataset:
    return meta.subset([f"made/{i}" for i in range(N_TRAIN)])


def fitted(name: str, train: MetaDataset, inputs: str = "mi", **settings: Any) -> Predictor:
    return make_predictor(name, inputs if name in READERS else (), **settings).fit(train)


def held_out_tau(predictor: Predictor, meta: MetaDataset) -> float:
    """Mean Kendall tau between the prior and the true quality, over the held-out tasks."""
    points = list(meta.points().values())
    latents = task_latents(N_TASKS, 0)
    taus = [
        kendalltau(
            predictor.predict(meta.profile(f"made/{i}")).log_ratio(points),
            true_quality(latents[i], points),
        ).statistic
        for i in range(N_TRAIN, N_TASKS)
    ]
    return float(np.mean(taus))


def test_uniform_is_uniform(meta: MetaDataset, train: MetaDataset) -> None:
    prior = fitted("uniform", train).predict(meta.profile("made/30"))
    np.testing.assert_array_equal(prior.log_ratio(list(meta.points().values())), 0.0)


def test_static_ranks_the_average_and_gives_every_task_the_same(
    meta: MetaDataset, train: MetaDataset
) -> None:
    # Planted: a006 is best on every training task.
    truth = [true_quality(z, list(meta.points().values())) for z in task_latents(N_TASKS, 0)]
    end = train.curves["epoch"] == 27
    planted = train.curves.copy()
    chosen = end & (planted["architecture"] == "a006")
    planted.loc[chosen, ["validation_accuracy", "test_accuracy"]] = 0.98
    predictor = fitted("static", replace(train, curves=planted))
    first, second = (predictor.predict(meta.profile(t)) for t in ("made/25", "made/30"))
    points = list(meta.points().values())
    ratios = first.log_ratio(points)
    np.testing.assert_array_equal(ratios, second.log_ratio(points))
    assert np.argmax(ratios) == 6
    others = np.arange(len(points)) != 6
    average = np.mean([normal_scores(quality) for quality in truth[:N_TRAIN]], axis=0)
    assert kendalltau(ratios[others], average[others]).statistic > 0.8
    assert first.metadata["predictor"] == "static"
    assert first.metadata["inputs"] == "nothing"


@pytest.mark.parametrize("name", READERS)
def test_mi_helps_where_it_decides_and_shuffled_mi_does_not(
    name: str, meta: MetaDataset, train: MetaDataset
) -> None:
    static = held_out_tau(fitted("static", train), meta)
    informed = held_out_tau(fitted(name, train), meta)
    shuffled = meta.shuffle_profiles(0)
    control = fitted(name, shuffled.subset(list(train.tasks["task"])))
    misled = held_out_tau(control, shuffled)
    assert informed > static + 0.1
    assert misled < static + 0.05


def test_nearest_without_inputs_is_static(meta: MetaDataset, train: MetaDataset) -> None:
    profile = meta.profile("made/29")
    nearest = fitted("nearest", train, "nothing").predict(profile)
    points = list(meta.points().values())
    static = fitted("static", train).predict(profile)
    np.testing.assert_array_equal(nearest.log_ratio(points), static.log_ratio(points))


def test_nearest_averages_the_nearest(meta: MetaDataset, train: MetaDataset) -> None:
    # A training task's own profile: with one neighbor, its own scores.
    predictor = fitted("nearest", train, neighbors=1)
    label = meta.final().set_index("task").loc["made/7"]
    label = label["validation_accuracy"] + label["test_accuracy"]
    scores = predictor.scores(meta.profile("made/7"))
    assert kendalltau(scores, label.to_numpy()).statistic == pytest.approx(1.0)


def test_gaussian_has_the_weighted_moments(meta: MetaDataset, train: MetaDataset) -> None:
    predictor = fitted("gaussian", train, temperature=0.4, floor=0.001)
    profile = meta.profile("made/30")
    scores = predictor.scores(profile)
    weights = np.exp(scores / 0.4) / np.exp(scores / 0.4).sum()
    points = list(meta.points().values())
    prior = predictor.predict(profile)
    marginal = prior.marginal("activation")
    for choice, probability in zip(marginal.values, marginal.probabilities, strict=True):
        share = sum(w for w, p in zip(weights, points, strict=True) if p["activation"] == choice)
        assert probability == pytest.approx(0.999 * share + 0.001 / 4, abs=1e-9)
    # The mean of a kernel that the range truncates little.
    space = get_space("mlp")
    column = list(space.encoded_names).index("learning_rate")
    sample = prior.sample(4000, np.random.default_rng(0))
    drawn, recorded = (space.encode(p)[:, column] for p in (sample, points))
    assert drawn.mean() == pytest.approx(weights @ recorded, abs=0.06)


@pytest.mark.parametrize("name", sorted(PREDICTORS))
def test_priors_are_normalised(name: str, meta: MetaDataset, train: MetaDataset) -> None:
    prior = fitted(name, train).predict(meta.profile("made/28"))
    # The mean of p / u under u is one.
    assert np.exp(prior.log_ratio(prior.sample(10, np.random.default_rng(0)))).min() >= 0.1 - 1e-9
    for parameter in ("depth", "width", "activation", "residual"):
        assert np.sum(prior.marginal(parameter).probabilities) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize("name", sorted(PREDICTORS))
def test_saved_and_loaded_it_answers_exactly_as_before(
    name: str, meta: MetaDataset, train: MetaDataset, tmp_path: Path
) -> None:
    predictor = fitted(name, train, "all", temperature=0.3, candidates=20)
    assert len(predictor.points) == 16 + (20 if predictor.extrapolates else 0)
    predictor.save(tmp_path / "a")
    loaded = load_predictor(tmp_path / "a")
    for task in ("made/25", "made/31"):
        profile = meta.profile(task)
        assert loaded.predict(profile) == predictor.predict(profile)
        np.testing.assert_array_equal(loaded.scores(profile), predictor.scores(profile))
    # Fitted again with the same seed, and saved from the loaded one: the same bytes.
    again = fitted(name, train, "all", temperature=0.3, candidates=20)
    again.save(tmp_path / "b")
    loaded.save(tmp_path / "c")
    files = {path.name for path in (tmp_path / "a").iterdir()}
    assert {Path(file).suffix for file in files} == {".json", ".safetensors"}
    for file in files:
        data = [(tmp_path / folder / file).read_bytes() for folder in "abc"]
        assert data[0] == data[1] == data[2]


@pytest.mark.parametrize("name", sorted(PREDICTORS))
def test_a_held_out_tasks_curves_change_nothing(name: str, meta: MetaDataset) -> None:
    train = [f"made/{i}" for i in range(N_TRAIN)]
    held = meta.curves["task"] == "made/30"
    curves = meta.curves.copy()
    for column in ("train_accuracy", "validation_accuracy", "test_accuracy"):
        curves.loc[held, column] = 1.0 - curves.loc[held, column]
    other = replace(meta, curves=curves)
    assert other.digest != meta.digest
    priors = [fitted(name, m.subset(train)).predict(m.profile("made/30")) for m in (meta, other)]
    assert priors[0] == priors[1]


@pytest.mark.parametrize("name", sorted(PREDICTORS))
def test_many_tasks_at_once_are_each_as_by_itself(
    name: str, meta: MetaDataset, train: MetaDataset
) -> None:
    predictor = fitted(name, train, "all")
    tasks = [f"made/{i}" for i in (30, 25, 28)]
    together = predictor.predict_tasks(meta, tasks)
    assert list(together) == tasks
    for task in tasks:
        assert together[task].to_dict() == predictor.predict(meta.profile(task)).to_dict()


def test_learning_from_a_part_at_a_time_is_as_good(meta: MetaDataset, train: MetaDataset) -> None:
    for name, part in (("trees", {"max_rows": 200}), ("network", {"batch": 8})):
        full, some = fitted(name, train), fitted(name, train, **part)
        profile = meta.profile("made/30")
        assert not np.array_equal(full.scores(profile), some.scores(profile))
        assert held_out_tau(some, meta) > held_out_tau(full, meta) - 0.1


def test_members_that_hold_out_nothing_learn_to_the_end(train: MetaDataset) -> None:
    # Six families and ten members: four see all, and no check ever stops them.
    few = train.subset([f"made/{i}" for i in range(12)])
    few = replace(few, tasks=few.tasks.assign(family=[f"f{i % 6}" for i in range(12)]))
    held = holdouts(few.tasks["family"], 10, seed=0).any(axis=1)
    assert 0 < held.sum() < 10
    last = [
        fitted("network", few, members=10, steps=n, patience=99)._require_fitted().arrays
        for n in (5, 60)
    ]
    moved = np.abs(last[0]["weight_2"] - last[1]["weight_2"]).max(axis=(1, 2))
    assert (moved[~held] > 0.05).all()


def test_how_the_training_tasks_were_profiled_is_kept(train: MetaDataset, tmp_path: Path) -> None:
    profiles = train.profiles.copy()
    profiles.loc[profiles["task"] == "made/3", ["n", "epoch"]] = 640, 9
    profiles.loc[profiles["task"] != "made/3", "n"] = 600
    predictor = fitted("trees", replace(train, profiles=profiles))
    assert predictor.profiled.train == train.tasks["n_train"].max()
    assert predictor.profiled.validation == 300
    assert predictor.profiled.rows == 640
    assert predictor.profiled.epochs == 27
    assert predictor.profiled.recipe == "tabular-1"
    predictor.save(tmp_path)
    assert load_predictor(tmp_path).profiled == predictor.profiled
    # Without profiles there is nothing to follow.
    bare = fitted("static", replace(train, profiles=profiles.iloc[:0]))
    assert (bare.profiled.rows, bare.profiled.epochs, bare.profiled.recipe) == (None, None, None)
    # Numbers of two recipes do not compare.
    mixed = replace(train, profiles=pd.concat([profiles, profiles.assign(recipe="other-3")]))
    with pytest.raises(PredictorError, match=r"recipes \['other-3', 'tabular-1'\]"):
        fitted("static", mixed)
    with pytest.raises(PredictorError, match="not fitted"):
        _ = make_predictor("static").profiled


def test_trees_walk_as_scikit_learn_does() -> None:
    from sklearn.ensemble import ExtraTreesRegressor

    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 5)).astype(np.float32)
    forest = ExtraTreesRegressor(n_estimators=7, random_state=0).fit(x, x[:, 0] * x[:, 1])
    new = rng.normal(size=(50, 5)).astype(np.float32)
    np.testing.assert_allclose(walk(forest_arrays(forest), new), forest.predict(new), atol=1e-12)


def test_networks_hold_out_whole_families() -> None:
    families = [f"f{i // 2}" for i in range(20)]
    held = holdouts(families, 5, seed=0)
    assert held.any(axis=1).all()
    np.testing.assert_array_equal(held[:, ::2], held[:, 1::2])
    np.testing.assert_array_equal(held.sum(axis=0), 1)
    assert not holdouts(["a", "b", "b"], 4, seed=0).any()


@pytest.mark.parametrize("name", sorted(PREDICTORS))
def test_runs_that_are_missing_do_no_harm(name: str, train: MetaDataset) -> None:
    # As past studies are: each task tried other architectures; one was tried nowhere.
    code = train.curves["architecture"].str[1:].astype(int)
    task = train.curves["task"].str.split("/").str[1].astype(int)
    kept = train.curves[((code + task) % 3 > 0) & (code != 5)]
    predictor = fitted(name, replace(train, curves=kept))
    scores = predictor.scores(train.profile("made/2"))
    assert np.isfinite(scores).all()
    assert train.points()["a005"] not in predictor.points


def test_a_diverged_probe_is_imputed(meta: MetaDataset, train: MetaDataset) -> None:
    predictor = fitted("nearest", train, "all")
    profile = meta.profile("made/30")
    curves = profile.curves.copy()
    curves.loc[curves["architecture"] == "probe-a", ["train_loss", "validation_loss"]] = np.nan
    assert np.isfinite(predictor.scores(replace(profile, curves=curves))).all()


def test_errors_are_clear(meta: MetaDataset, train: MetaDataset, tmp_path: Path) -> None:
    profile = meta.profile("made/30")
    with pytest.raises(PredictorError, match="no predictor 'oracle'"):
        make_predictor("oracle")
    with pytest.raises(PredictorError, match="no inputs 'minds'"):
        make_predictor("trees", "minds")
    with pytest.raises(PredictorError, match=r"Unknown input groups \['minds'\]"):
        make_predictor("trees", ("mi", "minds"))
    with pytest.raises(PredictorError, match="takes no inputs"):
        make_predictor("static", "mi")
    with pytest.raises(PredictorError, match=r"no settings \['leaves'\]"):
        make_predictor("trees", leaves=3)
    with pytest.raises(PredictorError, match="'trees' is not fitted"):
        make_predictor("trees").predict(profile)
    with pytest.raises(PredictorError, match="'trees' is not fitted"):
        make_predictor("trees").save(tmp_path)
    predictor = fitted("nearest", train)
    fewer = profile.layers[profile.layers["architecture"] != "probe-b"]
    with pytest.raises(PredictorError, match=r"of the probe\(s\) \['probe-b'\]"):
        predictor.predict(replace(profile, layers=fewer))
    with pytest.raises(PredictorError, match="no profiled probe layers"):
        predictor.predict(replace(profile, layers=profile.layers.iloc[:0]))
    bare = replace(train, profiles=train.profiles[train.profiles["task"] != "made/3"])
    with pytest.raises(PredictorError, match=r"no profiled probe layers: .'made/3'"):
        fitted("nearest", bare)


def test_saving_over_another_one_that_is_killed_never_leaves_two_halves(
    train: MetaDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = fitted("nearest", train), fitted("static", train, "nothing")
    for step in range(3):
        old.save(tmp_path)
        left = step

        def write(path: Path, content: Any) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise KeyboardInterrupt
            write_atomically(path, content)

        with monkeypatch.context() as patched:
            patched.setattr("infoprior.predictors._storage.write_atomically", write)
            with contextlib.suppress(KeyboardInterrupt):
                new.save(tmp_path)
        if step < 2:
            with pytest.raises(PredictorError, match="holds no predictor"):
                load_predictor(tmp_path)
        else:
            assert load_predictor(tmp_path).name == "static"


def test_files_that_cannot_be_trusted_are_refused(train: MetaDataset, tmp_path: Path) -> None:
    with pytest.raises(PredictorError, match="holds no predictor"):
        load_predictor(tmp_path)
    fitted("nearest", train).save(tmp_path)
    path = tmp_path / "predictor.json"
    header = json.loads(path.read_text())

    def refuses(message: str, **changes: object) -> None:
        path.write_text(json.dumps({**header, **changes}))
        with pytest.raises(PredictorError, match=message):
            load_predictor(tmp_path)

    refuses("version 99; this infoprior reads version 3", version=99)
    refuses("no predictor 'oracle'", name="oracle")
    distributions = [d for d in header["space"]["distributions"] if d[0] != "depth"]
    refuses("its space 'mlp' is not", space={"name": "mlp", "distributions": distributions})
    for field in ("points", "profiled"):
        path.write_text(json.dumps({k: v for k, v in header.items() if k != field}))
        with pytest.raises(PredictorError, match=f"'{field}'"):
            load_predictor(tmp_path)
    sizes = header["profiled"]
    refuses("profiled rows = 0", profiled={**sizes, "rows": 0})
    refuses("profiled train = '500'", profiled={**sizes, "train": "500"})
    refuses("profiled recipe = 1", profiled={**sizes, "recipe": 1})
    refuses("lacks or misspells", profiled={**sizes, "test": 9})
    path.write_text(json.dumps(header))
    (tmp_path / "arrays.safetensors").write_bytes(b"damaged")
    with pytest.raises(PredictorError, match="cannot be read"):
        load_predictor(tmp_path)
