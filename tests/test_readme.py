"""The README's Python runs as it stands."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer

from infoprior import Prior, get_space
from infoprior.predictors import make_predictor
from tests.factories import make_metadataset

README = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
RESULTS = (Path(__file__).parents[1] / "docs" / "results.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """What the README's commands have made by then in data/ and models/."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(300, 4)), columns=list("abcd"))
    table["target"] = (table["a"] * table["b"] > 0).astype(int)
    (tmp_path / "data").mkdir()
    table.to_csv(tmp_path / "data" / "cancer.csv", index=False)
    space = get_space("mlp")
    Prior.from_points(dict(space), space.design(4)).save(tmp_path / "data" / "prior.json")
    meta = make_metadataset(n_tasks=8, n_architectures=16, seed=0)
    name = "static__nothing"
    make_predictor("static", (), seed=0).fit(meta).save(tmp_path / "models" / "fitted" / name)
    chosen = {"predictor": f"fitted/{name}", "predictor_with_mi": f"fitted/{name}"}
    (tmp_path / "models" / "best.json").write_text(json.dumps(chosen))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_search_runs(folder, capsys):
    exec(compile(BLOCKS[0], "README.md", "exec"), {})
    value, params = capsys.readouterr().out.strip().split(" ", 1)
    assert 0.4 < float(value) <= 1.0
    assert set(eval(params)) == set(get_space("tabular"))


def test_the_suggestion_runs(folder, capsys):
    exec(compile(BLOCKS[1], "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert "learning_rate" in out
    assert "all_gain/quantile" in out


def test_any_prior_runs(folder, capsys):
    exec(compile(BLOCKS[2], "README.md", "exec"), {})
    assert set(eval(capsys.readouterr().out)) == {"rate", "depth"}


def test_the_profile_of_a_network_runs(folder, capsys):
    exec(compile(BLOCKS[3], "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert "hidden_3" in out
    assert "sigma" in out
    assert "ty_beyond" in out


def test_the_estimate_runs(capsys):
    exec(compile(BLOCKS[4], "README.md", "exec"), {})
    assert 0.4 < float(capsys.readouterr().out.split()[0]) < 0.7


def test_the_published_meta_dataset_loads(capsys):
    exec(compile(BLOCKS[5], "README.md", "exec"), {})
    out = capsys.readouterr().out
    assert "space='mlp'" in out
    assert "learning_rate" in out


@pytest.mark.parametrize("name", ["metadataset", "images"])
def test_the_pages_on_data_run(name, tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[1] / "docs" / f"{name}.md").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL):
        exec(compile(block, f"docs/{name}.md", "exec"), names)


def test_the_page_on_information_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)  # where a study is kept
    page = (Path(__file__).parents[1] / "docs" / "information.md").read_text("utf-8")
    for block in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL):
        exec(compile(block, "docs/information.md", "exec"), {})
    assert "noisy" in capsys.readouterr().out


def test_the_page_on_priors_runs(tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[1] / "docs" / "priors.md").read_text("utf-8")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL):
        exec(compile(block, "docs/priors.md", "exec"), names)
    assert "'prior'" in capsys.readouterr().out
    assert (tmp_path / "prior.json").exists()


def test_files_and_targets_that_it_names_exist():
    top = Path(__file__).parents[1]
    for link in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (top / link).exists(), link
    makefile = (top / "Makefile").read_text()
    for target in set(re.findall(r"\bmake ([a-z-]+)\b", README)):
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_what_make_repro_prints_is_what_the_committed_results_say():
    top = Path(__file__).parents[1]
    tracked = json.loads((top / "reports" / "tracked.json").read_text())
    assert f"tasks, digest {tracked['metadataset']}\n" in README
    predictors = pd.read_csv(top / "reports" / "predictors.csv")
    assert f"\n{len(predictors)} variants, " in README
    held_out = json.loads((top / "reports" / "metrics.json").read_text())["tasks"]
    assert f"{held_out} real tasks of " in RESULTS


def test_the_table_of_results_is_that_of_the_report():
    report = pd.read_csv(Path(__file__).parents[1] / "reports" / "predictors.csv")
    report = report.set_index(["predictor", "inputs"])

    def shown(p):
        return "" if np.isnan(p) else "< 0.001" if p < 0.0005 else f"{p:.3f}"

    section = RESULTS.split("\n## ")[1]
    rows = re.findall(r"^\| (\w+)(?:, ([\w-]+))? \| (-?[0-9].*) \|$", section, flags=re.MULTILINE)
    assert len(rows) == 18
    for predictor, inputs, cells in rows:
        r = report.loc[(predictor, inputs or "nothing")]
        tau = [r[f"kendall_tau{end}"] for end in ("", "_low", "_high")]
        assert cells.split(" | ") == [
            "{:.3f} [{:.2f}, {:.2f}]".format(*tau),
            f"{r['regret_at_4']:.3f}",
            shown(r["kendall_tau_p_holm"]),
            f"{r['test_kendall_tau']:.3f}, {r['test_regret_at_4']:.3f}",
        ], (predictor, inputs)


@pytest.mark.slow  # trains and profiles the probes of a real task
def test_what_suggest_prints_is_what_it_prints(tmp_path):
    cpu = Path("/proc/cpuinfo")
    if not cpu.exists() or "AuthenticAMD" not in cpu.read_text():
        pytest.skip("the README shows what an AMD processor computes")
    frame = load_breast_cancer(as_frame=True).frame
    (tmp_path / "data").mkdir()
    frame.to_csv(tmp_path / "data" / "cancer.csv", index=False)
    (command,) = re.findall(r"^\$ (infoprior suggest data/cancer.csv .*)$", README, re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=tmp_path, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert done.stdout.strip() in README
    for line in done.stderr.strip().splitlines():
        assert f"\n{line}\n" in README


def test_commands_that_the_pages_name_exist():
    top = Path(__file__).parents[1]
    pages = [top / "README.md", top / "CONTRIBUTING.md", *(top / "docs").glob("*.md")]
    for page in pages:
        text = page.read_text("utf-8")
        for program in re.findall(r"benchmarks/[\w/]+\.(?:py|md|csv|png)", text):
            assert (top / program).exists(), f"{page.name}: {program}"
        for module in re.findall(r"python -m (pipeline[\w.]*)", text):
            path = top / module.replace(".", "/")
            assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module
        for link in re.findall(r"\]\(([^)#:]+)(?:#[\w-]*)?\)", text):
            assert (page.parent / link).exists(), f"{page.name}: {link}"
