"""The command line on real files: what it prints, what it writes, how it refuses."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

from infoprior import Prior, cli
from infoprior.predictors import make_predictor
from tests.factories import make_metadataset


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    meta = make_metadataset(n_tasks=8, n_architectures=16, seed=0)
    make_predictor("gaussian", (), seed=0).fit(meta).save(folder / "fitted" / "gaussian")
    (folder / "best.json").write_text('{"predictor": "fitted/gaussian"}')
    return folder


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    n = 240
    frame = pd.DataFrame({
        "height": rng.normal(size=n),
        "colour": rng.choice(["red", "green", "blue"], n),
        "weight": rng.normal(size=n),
    })  # fmt: skip
    frame["kind"] = np.where(frame["height"] + (frame["colour"] == "red") > 0.5, "yes", "no")
    path = tmp_path / "data.csv"
    frame.to_csv(path, index=False)
    return path


def run(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["infoprior", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return stopped.value.code


def test_suggest_prints_architectures_and_writes_the_prior(
    monkeypatch, capsys, tmp_path, table, models
):
    out = tmp_path / "prior.json"
    code = run(monkeypatch, "suggest", table, "--target", "kind", "--out", out, "--n", 4,
               "--models", models)  # fmt: skip
    assert not code
    printed = capsys.readouterr().out
    lines = printed.split("Suggested")[1].split("Marginals")[0].strip().splitlines()
    assert len(lines) == 2 + 4
    assert lines[1].split() == list(Prior.load(out).space)
    assert "activation" in printed.split("Marginals")[1]
    assert json.loads(out.read_text())["format"] == "infoprior.prior"


def test_profile_prints_a_row_a_layer(monkeypatch, capsys, table):
    assert not run(monkeypatch, "profile", table, "-y", "kind")
    printed = capsys.readouterr().out
    assert printed.split("\n")[0].split()[:2] == ["architecture", "layer"]
    assert "probe-a" in printed
    assert "hidden_3" in printed


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["suggest", "{table}", "-y", "kin", "--models", "{models}"], ["data.csv", "kin", "kind"]),
        (["suggest", "nowhere.csv", "-y", "kind", "--models", "{models}"], ["nowhere.csv"]),
        (["suggest", "{table}", "-y", "kind", "--models", "{empty}"], ["{empty}"]),
        (["profile", "nowhere.csv", "-y", "kind"], ["nowhere.csv"]),
    ],
)
def test_bad_input_is_one_line_and_no_traceback(
    monkeypatch, capsys, tmp_path, table, models, arguments, words
):
    places = {"table": table, "models": models, "empty": tmp_path / "empty"}
    (tmp_path / "empty").mkdir()
    code = run(monkeypatch, *(a.format(**places) for a in arguments))
    assert code == 2
    said = capsys.readouterr().err.strip().splitlines()
    message = said[-1]
    assert message.startswith("infoprior: ")
    for word in words:
        assert word.format(**places) in message
    assert not any("Traceback" in line for line in said)


def test_useless_columns_are_named_all_at_once_with_the_options_that_leave_them_out(
    monkeypatch, capsys, table
):
    frame = pd.read_csv(table).assign(**{"all one": 1, "none": None})
    frame.to_csv(table, index=False)
    assert run(monkeypatch, "profile", table, "-y", "kind") == 2
    message = capsys.readouterr().err.strip().splitlines()[-1]
    assert message.endswith("leave them out with --drop 'all one' --drop none")
    arguments = ["--drop", "all one", "--drop", "none"]
    assert not run(monkeypatch, "profile", table, "-y", "kind", *arguments)


def test_tasks_lists_the_catalogue(monkeypatch, capsys):
    assert not run(monkeypatch, "tasks")
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.split()[1] == "real" for line in lines) >= 40
    assert any(line.startswith("keel/letter") for line in lines)
