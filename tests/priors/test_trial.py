"""What is kept in trials: each attribute is spelled in one place."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import infoprior.priors
from infoprior.priors import _trial

ROOM = Path(infoprior.priors.__file__).parent


def attributes(path: Path) -> list[str]:
    """The attribute names that a module's code spells out."""
    nodes = ast.walk(ast.parse(path.read_text("utf-8")))
    texts = [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return [text for text in texts if text.startswith("infoprior:") and " " not in text]


def test_attributes_are_spelled_in_one_module() -> None:
    assert len(attributes(ROOM / "_trial.py")) == 9
    others = [path for path in ROOM.rglob("*.py") if path.name != "_trial.py"]
    assert len(others) > 30
    assert not any(attributes(path) for path in others)


def test_training_knows_a_promotion_by_the_same_attribute() -> None:
    """It stands beside this room, and cannot import its name."""
    from infoprior.training import _objective

    assert _objective._PROMOTES == _trial.PROMOTES
    path = ROOM.parent / "training" / "_objective.py"
    assert attributes(path) == [_trial.PROMOTES]


@pytest.mark.parametrize("values", [{}, {"x": 0.5, "kind": None}])
def test_enqueued_values_are_those_that_were_enqueued(values: dict[str, object]) -> None:
    import optuna

    study = optuna.create_study()
    study.enqueue_trial(values)
    assert _trial.enqueued_values(study.trials[0]) == values
    study.add_trial(optuna.trial.create_trial(value=0.0))
    assert _trial.enqueued_values(study.trials[1]) == {}
