"""The stages on the space `tabular`, beside published rows that are made up, and on `mlp`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from infoprior import suggest
from infoprior.metadataset import (
    MetaDataset,
    MetaDatasetError,
    _publication,
    load_metadataset,
    training_rows,
)
from infoprior.metadataset._publication import Publication, write_publication
from infoprior.predictors import fit_predictor, load_predictor, make_predictor
from infoprior.profiles import INPUT_FEATURES, READ_INPUT_FEATURES, TABULAR_PROBES
from infoprior.spaces import get_space
from infoprior.tasks import GENERATORS, synthetic_task
from pipeline import metadataset, networks, profiles
from pipeline.common import file_name
from pipeline.tasks import choose
from tests.factories import make_tabular

TOP = Path(__file__).parents[2]
PARAMS = yaml.safe_load((TOP / "params.yaml").read_text())
OF_SPACE: dict[str, dict[str, Any]] = {
    "tabular": {"epochs": 3, "recipe": "fast", "max_rows": 200},
    "mlp": {"epochs": 1, "recipe": "tabular", "max_rows": 200},
}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `make published` writes it."""
    meta, folder = make_tabular(), tmp_path_factory.mktemp("published")
    second = meta.curves.assign(seed=1, validation_accuracy=0.1, train_loss=9.0)  # draw
    tables = {
        "tabular/curves": pd.concat([meta.curves, second], ignore_index=True),
        "tabular/architectures": meta.architectures,
        "tabular/layers": meta.layers,
        "tabular/tasks": meta.tasks,
    }
    about = {"settings": {"epochs": 27, "max_rows": 200}}
    write_publication(Publication(tables, {"tabular": meta.space}, about), folder)
    return folder


def prepare(folder: Path, space: str) -> None:
    """Two small tasks and a params.yaml, as the stage `tasks` leaves them."""
    generator = GENERATORS[1] if space == "tabular" else GENERATORS[0]
    (folder / "data" / "tasks").mkdir(parents=True)
    rows = []
    for i in (1000, 1001):
        task = synthetic_task(
            i, n_train=150, n_validation=60, n_test=60, generator=generator
        ).flatten()
        task.save(folder / "data" / "tasks" / f"{file_name(task.name)}.safetensors")
        rows.append({
            "task": task.name, "family": task.family, "source": task.source, "kind": task.kind,
            "n_train": 150, "n_validation": 60, "n_test": 60, "n_features": task.n_features,
            "n_classes": task.n_classes, "mf_log_classes": np.log(task.n_classes),
            "mf_class_entropy": 0.5, "mf_noise_1": 0.0, "mf_noise_2": 0.0, "digest": task.digest,
        })  # fmt: skip
    pd.DataFrame(rows).to_parquet(folder / "data" / "tasks" / "tasks.parquet")
    few = {"space": space, "architectures": 4, "seeds": 1, "seed": 0}
    params = {
        **PARAMS,
        "parallel": {"workers": 1},
        "networks": {**few, "epochs": 27 if space == "tabular" else 1},
        "profiles": {"seed": 0, **OF_SPACE[space]},
        "metadataset": {"published": space == "tabular", "synthetic": 6},
    }
    (folder / "params.yaml").write_text(yaml.safe_dump(params))


@pytest.mark.parametrize("space", ["tabular", "mlp"])
def test_what_is_measured_here_stands_beside_what_is_published(
    space: str, published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_publication, "PUBLISHED", published)
    prepare(tmp_path, space)
    monkeypatch.chdir(tmp_path)
    for stage in (networks, profiles, metadataset):
        stage.main()
    meta = MetaDataset.load(Path("data") / "metadataset")
    assert meta.space.name == space
    if space == "mlp":
        assert meta.input_features().empty
        assert len(meta.tasks) == 2
        return
    assert {"synthetic2/1000", "made/0", "synthetic2/5"} <= set(meta.tasks["task"])
    assert len(meta.architectures) == 4
    assert set(meta.architectures["inputs"]) == {"standard", "robust", "quantile", "piecewise-8"}
    assert not meta.input_features()[list(READ_INPUT_FEATURES)].isna().to_numpy().any()
    assert set(meta.profiles["epoch"]) == {3}
    assert set(meta.profiles["recipe"]) == {"fast-1"}
    predictor = make_predictor("nearest", "all").fit(meta)
    assert "inputs" in predictor.inputs
    assert predictor.profiled.space == "tabular"
    assert len(predictor.score_tasks(meta, ["synthetic2/1000", "made/1"])) == 2


def test_settings_that_the_published_rows_were_not_made_with_are_refused(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_publication, "PUBLISHED", published)
    prepare(tmp_path, "tabular")
    monkeypatch.chdir(tmp_path)
    text = Path("params.yaml").read_text()
    for old, new, name in (
        ("recipe: fast", "recipe: tabular", "profiles.recipe is tabular"),
        ("epochs: 3\n", "epochs: 9\n", "profiles.epochs is 9"),
    ):
        assert old in text
        Path("params.yaml").write_text(text.replace(old, new))
        with pytest.raises(SystemExit, match=f"{name}, but the published rows of the space tabu"):
            metadataset.check_settings()
    Path("params.yaml").write_text(text)
    metadataset.check_settings()


def test_each_space_gets_the_tasks_of_its_generator() -> None:
    params = {**PARAMS["tasks"], "kinds": [], "tables": [], "synthetic": 2}
    assert choose(params, "synthetic2") == ["synthetic2/1000", "synthetic2/1001"]


def test_training_rows_are_what_a_new_task_is_read_by(published: Path) -> None:
    meta = training_rows("tabular", 3, directory=published)
    kinds = meta.tasks.groupby("kind")["task"].apply(set)
    assert kinds["synthetic"] == {f"synthetic2/{i}" for i in range(3)}
    assert set(meta.profiles["epoch"]) == set(meta.probe_curves["epoch"]) - {1} == {3}
    assert meta.probes == tuple(TABULAR_PROBES)
    assert set(meta.probe_curves["seed"]) == {0}  # as new tasks are: labels are of both draws
    assert set(meta.curves["seed"]) == {0, 1}
    assert meta.layers.empty
    whole = training_rows("tabular", directory=published)
    assert len(whole.tasks) == len(load_metadataset("tabular", directory=published).tasks)
    with pytest.raises(MetaDatasetError, match=r"synthetic = 9: 3 of these tasks"):
        training_rows("tabular", 9, directory=published)


def test_a_task_is_profiled_as_the_predictor_needs_it_and_the_answer_can_be_built(
    published: Path, tmp_path: Path
) -> None:
    rows = training_rows("tabular", directory=published)
    reads = ("accuracy", "mi", "inputs")
    fit_predictor("nearest", reads, rows=[rows], published=False).save(tmp_path / "saved")
    predictor = load_predictor(tmp_path / "saved")
    task = synthetic_task(1002, n_train=150, n_validation=60, n_test=60, generator="synthetic2")
    suggestion = suggest(task, predictor, n=2)
    assert suggestion.profile is not None
    assert set(suggestion.profile.inputs) == set(INPUT_FEATURES)
    assert set(suggestion.profile.layers["recipe"]) == {"fast-1"}
    space = get_space(predictor.space.name)
    for params in suggestion.architectures:
        inputs = space.fit_inputs(params, task.split("train")[0])
        network = space.build(params, task.shape, task.n_classes, inputs=inputs)
        assert network.layer_names[0] == "inputs"
    # Who does not read them does not pay for them; nor for the probes.
    fewer = fit_predictor("nearest", "mi", rows=[rows], published=False)
    assert not suggest(task, fewer, n=1).profile.inputs
    untrained = fit_predictor("nearest", "inputs", rows=[rows], published=False)
    read = suggest(task, untrained, n=1).profile
    assert read.layers.empty
    assert read.curves.empty
    assert {n: read.inputs[n] for n in READ_INPUT_FEATURES} == {
        n: suggestion.profile.inputs[n] for n in READ_INPUT_FEATURES
    }
