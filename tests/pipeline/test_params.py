"""params.yaml: read as DVC reads it, and refused by the name of the setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from pipeline.params import SECTIONS, read_file, read_params

SHIPPED = (Path(__file__).parents[2] / "params.yaml").read_text("utf-8")


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes params.yaml into an empty working directory."""
    monkeypatch.chdir(tmp_path)
    return lambda text: (tmp_path / "params.yaml").write_text(text, "utf-8")


def refusal(section: str, *, whole: bool = False) -> str:
    with pytest.raises(SystemExit) as stopped:
        read_params(section, whole=whole)
    message = str(stopped.value.code)
    assert "\n" not in message
    return message


def test_every_section_that_is_shipped_passes_its_rules(write: Any) -> None:
    write(SHIPPED)
    assert set(read_file()) == set(SECTIONS)
    for section in SECTIONS:
        assert read_params(section, whole=True) == read_file()[section]


@pytest.mark.parametrize(
    ("written", "value"),
    [("2e-1", 0.2), ("1e-3", 0.001), (".5", 0.5), ("+.25", 0.25), ("1.", 1.0), ("1E-1", 0.1)],
)
def test_numbers_are_those_that_dvc_shows(write: Any, written: str, value: float) -> None:
    write(SHIPPED.replace("temperature: 0.2", f"temperature: {written}"))
    settings = read_params("predictors")["settings"]
    assert settings["temperature"] == value
    with open("params.yaml") as file:
        shown = YAML().load(file)  # as DVC does
    assert shown["predictors"]["settings"]["temperature"] == value


@pytest.mark.parametrize(
    ("old", "new", "section", "words"),
    [
        ("temperature: 0.2", "temperature: cold", "predictors", ["settings.temperature", "cold"]),
        ("temperature: 0.2", "temperature: -1", "predictors", ["settings.temperature", "-1"]),
        ("temperature: 0.2", "temperature:", "predictors", ["settings.temperature", "empty"]),
        ("temperature: 0.2", "temperture: 0.2", "predictors", ["temperture", "'temperature'"]),
        ("  folds: 5 ", "  folds: yes ", "predictors", ["predictors.folds", "'yes'"]),
        ("  folds: 5 ", "  folds: 1 ", "predictors", ["predictors.folds = 1", "from 2"]),
        ("  folds: 5 ", "  fold: 5 ", "predictors", ["predictors.fold ", "'folds'"]),
        ("published: true", "published: on", "metadataset", ["metadataset.published", "'on'"]),
        ("epochs: 27  ", "epochs: 10  ", "networks", ["networks.epochs", "power of 3"]),
        ("space: tabular", "space: tabluar", "networks", ["networks.space", "tabular"]),
        ("min_gap: 0.01", "min_gap: 1:30", "evaluation", ["evaluation.min_gap", "1:30"]),
        ("ks: [1, 2, 4, 8]", "ks: [1, 2, 2]", "evaluation", ["evaluation.ks", "twice"]),
        ("  kinds: [] ", "  kinds: [reel] ", "tasks", ["tasks.kinds[0]", "'reel'", "real"]),
        ("costs: {accuracy: ", "costs: {accuracy: x", "hyperband", ["costs.accuracy", "'x"]),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named_with_its_setting(
    write: Any, old: str, new: str, section: str, words: list[str]
) -> None:
    before, _, after = SHIPPED.partition(f"\n{section}:")  # other sections have such settings, too
    assert old in after
    write(f"{before}\n{section}:{after.replace(old, new, 1)}")
    message = refusal(section)
    assert all(word in message for word in words), message


def test_what_settings_have_to_be_together_is_said(write: Any) -> None:
    write(SHIPPED.replace("select: regret_at_4", "select: regret_at_5"))
    assert "evaluation.select" in refusal("evaluation", whole=True)
    write(SHIPPED.replace("mi, mi-shuffled, ", "mi, "))
    assert "'mi-shuffled'" in refusal("predictors", whole=True)
    write(SHIPPED.replace("  folds: 5 ", "  # folds: 5 "))
    assert "predictors.folds is missing" in refusal("predictors", whole=True)


def test_a_file_that_cannot_be_read_is_said_with_its_line(write: Any, tmp_path: Path) -> None:
    assert "No params.yaml here" in refusal("tasks")
    write("tasks:\n  seed: 0\n  seed: 1\n")
    assert "line" in refusal("tasks")
    write("tasks:\n\tseed: 0\n")
    assert "line 2" in refusal("tasks")
    write("- a\n")
    assert "no sections" in refusal("tasks")
    write(SHIPPED.replace("evaluation:", "evaluations:"))
    message = refusal("evaluation")
    assert "'evaluation'" in message
    assert "'evaluations'" in message
