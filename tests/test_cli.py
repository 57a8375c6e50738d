"""The command line on real files: what it prints, what it writes, how it refuses."""

import json
import os
import re
import runpy
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution

from infoprior import Prior, __version__, cli, get_space, load_predictor
from infoprior._command import as_options
from infoprior.predictors import make_predictor
from tests.factories import make_metadataset

ROWS = 150  # that the training tasks were profiled on


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    meta = make_metadataset(n_tasks=8, n_architectures=16, seed=0)
    tasks = meta.tasks.assign(n_train=100, n_validation=50)
    meta = replace(meta, tasks=tasks, profiles=meta.profiles.assign(n=ROWS))
    make_predictor("nearest", "mi", seed=0).fit(meta).save(folder / "fitted" / "nearest")
    (folder / "best.json").write_text('{"predictor": "fitted/nearest"}')
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
    assert lines[1].split() == ["1", "2", "3", "4"]
    assert [line.split()[0] for line in lines[2:]] == list(Prior.load(out).space)
    assert all(len(line.split()) == 5 for line in lines[2:])
    assert "activation" in printed.split("Marginals")[1]
    assert json.loads(out.read_text())["format"] == "infoprior.prior"


def test_profile_prints_a_row_a_layer(monkeypatch, capsys, table):
    assert not run(monkeypatch, "profile", table, "-y", "kind")
    printed = capsys.readouterr().out
    head = printed.split("\n")[0].split()
    assert head == [
        "architecture",
        "layer",
        "width",
        "n",
        "mi_xt",
        "sigma",
        "mi_ty",
        "h_y",
        "flags",
    ]
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


def test_the_static_prior_needs_no_data(monkeypatch, capsys, tmp_path, table, models):
    out = tmp_path / "static.json"
    assert not run(monkeypatch, "suggest", "--static", "--n", 3, "--out", out)
    alone = capsys.readouterr()
    assert "Training" not in alone.err
    assert Prior.load(out).metadata["predictor"] == "static"
    assert not run(monkeypatch, "suggest", table, "-y", "kind", "--static", "--n", 3)
    beside = capsys.readouterr()
    assert beside.out == alone.out
    assert "data.csv is not read" in beside.err
    assert run(monkeypatch, "suggest", "--static", "--models", models) == 2
    assert "--models" in last_line(capsys)


def test_what_is_missing_for_a_suggestion_is_named(monkeypatch, capsys, table):
    assert run(monkeypatch, "suggest") == 2
    assert last_line(capsys).startswith("infoprior: DATA: is missing")
    assert run(monkeypatch, "suggest", table) == 2
    assert last_line(capsys).startswith("infoprior: --target: is missing")


def test_a_fitted_predictor_is_written_and_suggests(monkeypatch, capsys, tmp_path):
    own = make_metadataset(n_tasks=6, n_architectures=12, seed=0)
    own.save(tmp_path / "rows")
    out = tmp_path / "mine"
    call = ["fit", "--out", out, "--rows", tmp_path / "rows", "--no-published"]
    assert not run(monkeypatch, *call, "--predictor", "static", "--temperature", "0.5")
    assert str(out) in capsys.readouterr().out
    predictor = load_predictor(out)
    assert predictor.prior_settings.temperature == 0.5
    assert predictor.points == list(own.points().values())
    assert not run(monkeypatch, "suggest", "--models", out, "--n", 1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--no-published"], ["--no-published", "--rows"]),
        (["--predictor", "tree"], ["'tree'", "trees"]),
        (["--inputs", "mii"], ["'mii'", "'mi'"]),
        (["--temperature", "-1"], ["temperature", "-1"]),
        (["--space", "foo"], ["'foo'", "mlp"]),
        (["--rows", "nowhere"], ["nowhere"]),
    ],
)
def test_a_fit_that_cannot_be_is_refused_in_one_line(
    monkeypatch, capsys, tmp_path, arguments, words
):
    out = tmp_path / "mine"
    assert run(monkeypatch, "fit", "--out", out, *arguments) == 2
    message = last_line(capsys)
    assert all(word in message for word in words)
    assert not out.exists()


def test_the_version_is_printed_by_the_module_too(monkeypatch, capsys):
    assert not run(monkeypatch, "--version")
    assert capsys.readouterr().out == f"infoprior {__version__}\n"
    with pytest.raises(SystemExit):
        runpy.run_module("infoprior", run_name="__main__")
    assert capsys.readouterr().out == f"infoprior {__version__}\n"


def last_line(capsys):
    said = capsys.readouterr().err.strip().splitlines()
    assert not any("Traceback" in line for line in said)
    return said[-1]


def test_rows_follow_the_predictor(monkeypatch, capsys, table, models):
    call = ["suggest", table, "-y", "kind", "--n", 1, "--models", models]
    assert not run(monkeypatch, *call)
    said = capsys.readouterr().err
    assert "100 + 47 rows" in said or "100 + 48 rows" in said
    assert "warning" not in said
    assert not run(monkeypatch, *call, "--max-train", 60)
    assert "60 + 4" in capsys.readouterr().err
    assert not run(monkeypatch, *call, "--max-train", 120)
    said = capsys.readouterr().err.splitlines()
    warning = "infoprior: warning: --max-train 120 is more than the 100 rows that the predictor"
    assert [line for line in said if "warning" in line] == [said[0]]
    assert said[0].startswith(warning)
    assert "100 + 4" in said[1]


def test_warnings_are_one_line(monkeypatch, capsys, table):
    frame = pd.read_csv(table)
    frame.loc[:2, "kind"] = None
    frame.to_csv(table, index=False)
    assert not run(monkeypatch, "profile", table, "-y", "kind")
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("infoprior: warning: ")
    assert "'kind' is missing in 3 rows" in said[0]
    assert not any("TaskWarning" in line or "warnings.warn" in line for line in said)


def test_the_separator_can_be_given(monkeypatch, capsys, tmp_path, table):
    odd = tmp_path / "odd.csv"
    odd.write_text(table.read_text().replace(",", "|"))
    assert run(monkeypatch, "profile", odd, "-y", "kind") == 2
    assert last_line(capsys).endswith("or give --separator")
    assert not run(monkeypatch, "profile", odd, "-y", "kind", "--separator", "|")
    odd.write_text(table.read_text().replace(",", "\t"))
    assert not run(monkeypatch, "profile", odd, "-y", "kind", "--separator", "\\t")
    capsys.readouterr()
    assert run(monkeypatch, "profile", odd, "-y", "kind", "--separator", "||") == 2
    assert "--separator" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"), [("--seed", -1), ("--n", 0), ("--max-train", 9), ("--max-train", "x")]
)
def test_numbers_out_of_range_are_refused(monkeypatch, capsys, table, option, value):
    assert run(monkeypatch, "suggest", table, "-y", "kind", option, value) == 2
    assert option in capsys.readouterr().err
    if option != "--n":
        assert run(monkeypatch, "profile", table, "-y", "kind", option, value) == 2
        assert option in capsys.readouterr().err


@pytest.mark.parametrize("command", ["suggest", "profile"])
def test_where_out_cannot_be_written_nothing_is_computed(
    monkeypatch, capsys, tmp_path, table, command
):
    # Were anything read first, the missing models or file would be what is complained of.
    call = [command, tmp_path / "nowhere.csv", "-y", "kind", "--out"]
    assert run(monkeypatch, *call, tmp_path / "no" / "where.json") == 2
    assert last_line(capsys).startswith(f"infoprior: --out {tmp_path}/no/where.json: the folder ")
    assert not (tmp_path / "no").exists()
    assert run(monkeypatch, *call, tmp_path) == 2
    assert "is a folder" in last_line(capsys)
    assert run(monkeypatch, *call, table / "prior.json") == 2
    assert "is not a folder" in last_line(capsys)
    assert os.listdir(tmp_path) == ["data.csv"]

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    assert run(monkeypatch, *call, tmp_path / "prior.json") == 2
    assert f"the folder {tmp_path} cannot be written to (Permission denied)" in last_line(capsys)


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(13, "Permission denied", "a.csv"),
        IsADirectoryError(21, "Is a directory", "a.csv"),
    ],
)
def test_what_the_system_refuses_is_one_line(monkeypatch, capsys, table, error):
    def refuse(*_, **__):
        raise error

    monkeypatch.setattr("infoprior.tasks._tables.read.read_table", refuse)
    monkeypatch.setattr("infoprior.tasks.read_table", refuse, raising=False)
    assert run(monkeypatch, "profile", table, "-y", "kind") == 2
    assert last_line(capsys) == f"infoprior: a.csv: {error.strerror}"


@pytest.mark.parametrize("command", ["suggest", "profile"])
def test_few_rows_are_refused_before_training(
    monkeypatch, capsys, tmp_path, table, models, command
):
    from infoprior import training

    monkeypatch.setattr(training, "train", None)
    few = tmp_path / "few.csv"
    pd.read_csv(table).head(56).to_csv(few, index=False)
    more = ["--models", models] if command == "suggest" else []
    assert run(monkeypatch, command, few, "-y", "kind", *more) == 2
    message = last_line(capsys)
    assert re.match(rf"infoprior: {few}: 4\d training and validation rows", message)
    assert "at least 50" in message
    assert "--max-train" not in message
    pd.read_csv(table).head(120).to_csv(few, index=False)
    assert run(monkeypatch, command, few, "-y", "kind", "--max-train", 10, *more) == 2
    assert last_line(capsys).endswith("or raise --max-train")


def test_advice_is_given_in_options():
    translate = as_options
    assert translate("with drop=['a b', \"it's\"]") == ("with --drop 'a b' --drop 'it'\"'\"'s'")
    assert translate("with categorical=['zip]']") == "with --categorical 'zip]'"
    assert translate("more than max_categories=50, or raise max_categories") == (
        "more than --max-categories 50, or raise --max-categories"
    )
    assert translate("or give separator=") == "or give --separator"
    assert translate("by decimal='.' or decimal=','") == "by --decimal . or --decimal ,"
    assert translate("by separator=';' or separator='\\t'") == (
        "by --separator ';' or --separator '\\t'"
    )
    assert translate("or raise max_train") == "or raise --max-train"
    assert translate("a\nb") == "a b"
    assert translate("column 'max_categories' is") == "column 'max_categories' is"


def test_architectures_go_on_below_and_each_of_many_choices_is_named():
    from infoprior._command import architectures, marginals

    space = get_space("tabular")
    points = space.design(12)
    printed = architectures(points)
    assert max(map(len, printed.splitlines())) <= 110
    numbered = [
        line for line in printed.splitlines() if line.split()[:1] and line.split()[0].isdigit()
    ]
    assert len(numbered) > 1
    assert " ".join(numbered).split() == [str(i) for i in range(1, 13)]
    (inputs,) = (
        m for m in marginals(Prior.from_points(dict(space), points)).splitlines() if "standard" in m
    )
    assert all(choice in inputs for choice in space["inputs"].choices)
    many = {"c": CategoricalDistribution([f"c{i}" for i in range(11)])}
    assert marginals(Prior.uniform(many)).endswith("(3 more)")


def test_expected_accuracies_stand_above_the_architectures():
    from infoprior._command import architectures
    from infoprior.predictors import PerformancePredictor
    from tests.factories import make_metadataset

    meta = make_metadataset(n_tasks=8, n_architectures=6)
    predictor = PerformancePredictor(rank=2, iterations=2).fit(meta, progress=False)
    posterior = predictor.posterior()
    printed = architectures(predictor.points[:2], posterior).splitlines()
    assert (
        printed[1]
        == "Suggested architectures, the most probable first, with expected test accuracies"
    )
    row = next(line for line in printed if line.split()[0:1] == ["accuracy"])
    assert row.split()[1:] == [f"{mean:.3f}" for mean in posterior.mean(predictor.points[:2])]
    low, high = posterior.interval(0.8, predictor.points[:2])
    row = next(line for line in printed if "interval" in line)
    assert row.split()[-2:] == [f"{a:.2f}-{b:.2f}" for a, b in zip(low, high, strict=True)]
    assert "accuracy" not in architectures(predictor.points[:2])
