"""Where past studies are: storages, journals, lists; and studies that nothing is learned from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from infoprior.priors import Prior, PriorError
from tests.priors.past import add, line

PRUNED, FAIL = TrialState.PRUNED, TrialState.FAIL


def stored(storage: Any) -> None:
    for i in range(4):
        name = f"mnist-{i}" if i < 3 else "other"
        line({j / 6: abs(j - 2 * i) for j in range(6)}, name=name, storage=storage)


@pytest.mark.parametrize("kind", ["url", "object", "journal", "list"])
def test_every_way_to_say_where_studies_are(kind: str, tmp_path: Path) -> None:
    url, file = f"sqlite:///{tmp_path / 'past.db'}", tmp_path / "journal.log"
    source: Any
    if kind == "journal":
        backend = optuna.storages.journal.JournalFileBackend(str(file))
        stored(optuna.storages.JournalStorage(backend))
        source = file
    elif kind == "url":
        stored(url)
        source = url
    else:
        source = optuna.storages.InMemoryStorage()
        stored(source)
        if kind == "list":
            every = optuna.get_all_study_names(storage=source)
            source = [optuna.load_study(study_name=n, storage=source) for n in every]
    assert Prior.from_studies(source).metadata["studies"] == 4
    chosen = Prior.from_studies(source, names="mnist-*", exclude="mnist-1")
    assert chosen.metadata["studies"] == 2
    assert Prior.from_studies(source, names=["mnist-0", "mnist-2"]) == chosen
    with pytest.raises(PriorError, match="'cifar"):
        Prior.from_studies(source, names="cifar*")


def test_a_study_listed_twice_counts_once() -> None:
    study, other = line({0.1: 0.0, 0.2: 1.0, 0.3: 2.0}), line({0.8: 0.0, 0.9: 1.0, 0.7: 2.0})
    assert Prior.from_studies([study, study, other]) == Prior.from_studies([study, other])


def test_no_file_is_made_by_looking(tmp_path: Path) -> None:
    with pytest.raises(PriorError, match="no file"):
        Prior.from_studies(f"sqlite:///{tmp_path / 'missing.db'}")
    with pytest.raises(PriorError, match="neither a storage URL nor a journal"):
        Prior.from_studies(tmp_path / "missing.log")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("source", [3, {"a": 1}, [1, 2], None])
def test_what_is_no_study_is_refused(source: Any) -> None:
    with pytest.raises(PriorError, match=r"^studies: needs"):
        Prior.from_studies(source)


def test_nothing_to_learn_from_says_why() -> None:
    study = line({0.3: 1.0})
    add(study, FAIL, 0.5)
    with pytest.raises(PriorError, match=r"none of 1 .* 1 complete, 1 failed"):
        Prior.from_studies(study)
    with pytest.raises(PriorError, match="none of 0"):
        Prior.from_studies([])
    assert Prior.from_studies([study, line({0.1: 0.0, 0.2: 1.0})]).metadata["studies_used"] == 1


def useless(kind: str) -> optuna.Study:
    study = optuna.create_study()
    for _ in range(3):
        if kind == "failed":
            add(study, FAIL, 0.9)
        elif kind == "pruned":
            add(study, PRUNED, 0.9)
    return study


@pytest.mark.parametrize("kind", ["empty", "failed", "pruned"])
def test_studies_without_anything_to_rank_are_left_out(kind: str) -> None:
    good = line({0.1: 0.0, 0.2: 1.0, 0.3: 2.0, 0.4: 3.0})
    says = {"empty": "no trials", "failed": "3 failed", "pruned": "3 pruned_without_values"}
    with pytest.raises(PriorError, match=rf"none of 1 has .*they have {says[kind]}\.$"):
        Prior.from_studies(useless(kind))
    prior = Prior.from_studies([useless(kind), good, useless(kind)])
    assert prior.metadata["studies"] == 3
    assert prior.metadata["studies_used"] == 1
    alone = Prior.from_studies(good)
    assert prior.with_metadata().to_dict()["components"] == alone.to_dict()["components"]


@pytest.mark.filterwarnings("ignore:Choices for a categorical")
def test_choices_that_are_lists_are_named() -> None:
    def study() -> optuna.Study:
        made = optuna.create_study()
        choices: Any = [[1, 2], [3]]
        made.optimize(lambda t: len(t.suggest_categorical("layers", choices)), n_trials=4)
        return made

    for studies in ([study()], [study(), study()]):
        with pytest.raises(PriorError, match=r"^space: parameter 'layers' has .*choice"):
            Prior.from_studies(studies)
