"""A task of images end to end: trained, read, and described; the same every time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from infoprior.profiles import (
    IMAGE_PROBES,
    PROBE_CURVE_COLUMNS,
    PROFILE_COLUMNS,
    ProfileError,
    Recipe,
    get_recipe,
    profile_images,
)
from infoprior.spaces import get_space
from infoprior.tasks import Task
from infoprior.training import train, train_many

QUICK = Recipe(
    "quick", 1, ty_options={"steps": 4, "check_every": 2, "hidden": 4}, xt_options={"relative": 8.0}
)
LAYERS = [
    "block_1", "dense", "block_1", "block_2", "block_1", "block_2", "block_3", "block_1", "block_2",
    "dense",
]  # fmt: skip


@pytest.fixture(scope="module")
def bars() -> Task:
    """8 x 8 pixels of noise with an upright or a lying bar anywhere: no pixel alone tells."""
    rng = np.random.default_rng(0)
    y = np.arange(240) % 2
    pixels = 0.3 * rng.normal(size=(240, 1, 8, 8)).astype(np.float32)
    for k, place in enumerate(rng.integers(0, 8, 240)):
        bar = (slice(None), place) if y[k] else (place, slice(None))
        pixels[k, 0][bar] += 2.0
    rows = rng.permutation(240)
    return Task(
        name="test/bars",
        family="test",
        source="by hand",
        kind="synthetic",
        X=pixels,
        y=y.astype(np.int64),
        train=rows[:160],
        validation=rows[160:200],
        test=rows[200:],
        feature_names=("gray",),
        class_names=("lying", "upright"),
    )


def test_probes_are_different_points_of_the_space() -> None:
    points = [get_space("cnn").validate(params) for params in IMAGE_PROBES.values()]
    assert len(points) == 4
    for name in ("activation", "kernel", "normalization", "head", "n_blocks"):
        assert len({p[name] for p in points}) == (4 if name == "activation" else
                                                  3 if name == "n_blocks" else 2)  # fmt: skip
    assert {p["pooling"] for p in points} == {"max", "average", "stride"}


def test_a_task_of_images_end_to_end(bars: Task) -> None:
    profile = profile_images(bars, seed=1, epochs=9, at=(9,), record=(1, 9), recipe=QUICK)
    assert profile.task == "test/bars"
    assert list(profile.layers) == list(PROFILE_COLUMNS)
    assert list(profile.curves) == list(PROBE_CURVE_COLUMNS)
    layers = profile.layers
    assert set(layers["recipe"]) == {"quick-1"}
    assert set(layers["epoch"]) == {9}
    assert set(layers["n"]) == {200}
    assert layers["layer"].tolist() == LAYERS
    assert layers["width"].tolist() == [64, 64, 96, 24, 128, 32, 8, 64, 16, 64]
    assert profile.curves["epoch"].tolist() == [1, 9] * 4
    assert all(np.isfinite(v) for v in profile.metafeatures.values())
    # What a network that learned the bars knows of them is there at the end.
    curve = profile.curves.set_index(["architecture", "epoch"])["validation_accuracy"]
    assert curve["image-probe-c", 9] > 0.9
    last = layers[layers["layer"] == "block_3"].iloc[0]
    assert last["mi_ty"] > 0.6 * last["h_y"]


def test_the_short_recipe_is_taken_by_default(bars: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def instead(networks: list[Any], task: Task, **options: Any) -> None:
        asked.update(options, networks=networks)
        raise ProfileError("far enough")

    monkeypatch.setattr("infoprior.profiles._task.profile_networks", instead)
    with pytest.raises(ProfileError, match="far enough"):
        profile_images(bars, epochs=1, at=(1,), seed=6)
    assert asked["recipe"].id == "maps-short-1"
    assert asked["seed"] == 6
    assert [name for _, name, _ in asked["networks"]] == list(IMAGE_PROBES)
    assert get_recipe("maps-short") is get_recipe("maps-short-1") is asked["recipe"]


def test_columns_are_no_images(task: Task) -> None:
    with pytest.raises(ProfileError, match="profile_task"):
        profile_images(task)


def test_same_seed_same_training_alone_or_with_others(bars: Task) -> None:
    space = get_space("cnn")
    points = [*IMAGE_PROBES.values()]
    together = train_many(bars, [(p, 3) for p in points], space=space, epochs=2, keep=True)
    for params, trained in zip(points, together, strict=True):
        alone = train(bars, params, space=space, seed=3, epochs=2)
        assert alone.curve == trained.curve
        for name, value in alone.network.state_dict().items():
            assert torch.equal(value, trained.network.state_dict()[name])
    other = train(bars, points[2], space=space, seed=4, epochs=2)
    assert other.curve != together[2].curve


def test_same_seed_same_profile_epoch_by_epoch(bars: Task) -> None:
    runs = [
        profile_images(bars, seed=2, epochs=2, at=at, recipe=QUICK) for at in ((1, 2), (2, 1), (2,))
    ]
    layers = runs[0].layers
    assert layers["epoch"].tolist() == [1] * 10 + [2] * 10
    assert layers["layer"].tolist() == LAYERS * 2
    pd.testing.assert_frame_equal(layers, runs[1].layers, check_exact=True)
    pd.testing.assert_frame_equal(runs[0].curves, runs[1].curves, check_exact=True)
    curve = train(
        bars, IMAGE_PROBES["image-probe-a"], space=get_space("cnn"), seed=2, epochs=2
    ).curve
    assert runs[0].curves["train_loss"].tolist()[:2] == [row["train_loss"] for row in curve]
    # Alone or beside other layers: the same, up to rounding.
    second = layers[layers["epoch"] == 2].reset_index(drop=True)
    pd.testing.assert_frame_equal(second, runs[2].layers, rtol=1e-3, atol=1e-3)
    assert (layers["mi_xt"][:10].to_numpy() != second["mi_xt"].to_numpy()).all()


def test_training_is_adamw(bars: Task) -> None:
    """One epoch of three batches, against PyTorch's own optimiser."""
    params = {**IMAGE_PROBES["image-probe-d"], "weight_decay": 0.1}
    space = get_space("cnn")
    trained = train(bars, params, space=space, seed=5, epochs=1).network
    network = space.build(params, bars.shape, bars.n_classes, seed=5)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=params["learning_rate"], weight_decay=params["weight_decay"]
    )
    order = torch.from_numpy(np.random.default_rng([5, 1]).permutation(160))
    x, y = (torch.from_numpy(part)[order] for part in bars.split("train"))
    for start in (0, 64, 128):
        optimizer.zero_grad()
        batch = slice(start, start + 64)
        torch.nn.functional.cross_entropy(network(x[batch]), y[batch]).backward()
        optimizer.step()
    for name, value in network.state_dict().items():
        torch.testing.assert_close(trained.state_dict()[name], value, rtol=1e-4, atol=1e-5)
