"""The OptunaHub package: loaded from the tree, and bundled where infoprior is not installed."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
import yaml

import infoprior.priors

TREE = Path(__file__).parents[1] / "optunahub"
PACKAGE = TREE / "package" / "samplers" / "prior_sampler"
README = (PACKAGE / "README.md").read_text("utf-8")
SPACE = {
    "rate": optuna.distributions.FloatDistribution(1e-4, 1.0, log=True),
    "kind": optuna.distributions.CategoricalDistribution(["a", "b"]),
}

# Neither infoprior nor a network: every import and every connection passes this hook.
ALONE = """
import runpy, sys

def hook(event, args):
    if event == "import" and args[0].split(".")[0] == "infoprior":
        raise ModuleNotFoundError("infoprior is not installed")
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname"):
        raise SystemExit(f"{event}: {args}")

sys.addaudithook(hook)
try:
    import infoprior.priors
except ModuleNotFoundError:
    runpy.run_path(sys.argv[1], run_name="__main__")
    assert not any(name.split(".")[0] == "infoprior" for name in sys.modules)
"""


def load(package, registry_root):
    # Here, so that the other tests run where OptunaHub is not installed.
    optunahub = pytest.importorskip("optunahub.hub")
    return optunahub.load_local_module(package, registry_root=str(registry_root))


@pytest.fixture(scope="module")
def hub():
    return load("samplers/prior_sampler", TREE / "package")


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    out = tmp_path_factory.mktemp("registry") / "package" / "samplers" / "prior_sampler"
    command = [sys.executable, TREE / "bundle.py", out]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return out


def objective(trial):
    rate = trial.suggest_float("rate", 1e-4, 1.0, log=True)
    loss = abs(rate - 0.01) + (trial.suggest_categorical("kind", ["a", "b"]) == "b")
    for step in range(1, 10):
        trial.report(loss + 1 / step, step=step)
        if trial.should_prune():
            raise optuna.TrialPruned
    return loss


def trials(sampler):
    study = optuna.create_study(
        study_name="hub",
        sampler=sampler,
        pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9),
    )
    study.optimize(objective, n_trials=15)
    return study.trials


def test_a_study_from_the_tree_and_every_form_of_the_prior(hub, tmp_path):
    path = tmp_path / "prior.json"
    own = infoprior.priors.Prior.from_points(SPACE, [{"rate": 0.01, "kind": "a"}])
    own.save(path)
    expected = trials(infoprior.priors.PriorSampler(own, seed=3))
    text = path.read_text("utf-8")
    for prior in (path, str(path), text, json.loads(text), hub.Prior.load(path), own):
        found = trials(hub.PriorSampler(prior, seed=3))
        assert [t.params for t in found] == [t.params for t in expected]
        sources = [t.user_attrs[hub.PriorSampler.SOURCE] for t in found]
        assert len(sources) == 15
        assert set(sources) <= {"prior", "uniform", "base"}
        assert "prior" in sources
        assert all(0.0 <= t.user_attrs[hub.PriorSampler.PRIOR_WEIGHT] <= 1.0 for t in found)


def test_it_takes_the_same_arguments(hub):
    def face(sampler):
        parameters = inspect.signature(sampler).parameters.values()
        return [(p.name, p.kind, p.default) for p in parameters]

    assert face(hub.PriorSampler) == face(infoprior.priors.PriorSampler)


@pytest.mark.parametrize(
    ("prior", "says"),
    [
        (3, "needs a Prior"),
        ('{"format": ', "not JSON"),
        ('{"format": "a", "format": "b"}', "twice"),
        ({"format": "else"}, "format"),
    ],
)
def test_what_is_no_prior_is_refused(hub, prior, says):
    with pytest.raises(hub.PriorError, match=says):
        hub.PriorSampler(prior)


def test_the_bundle_stands_alone(bundled):
    pytest.importorskip("optunahub.hub")
    command = [sys.executable, "-I", "-c", ALONE, bundled / "example.py"]
    done = subprocess.run(command, cwd=bundled, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "proposed by: {" in done.stdout
    assert "'prior'" in done.stdout


def test_the_bundle_holds_real_files_and_nothing_else(tmp_path, bundled):
    shipped = {p.relative_to(bundled).as_posix() for p in bundled.rglob("*.py")}
    room = Path(infoprior.priors.__file__).parent
    modules = {p.relative_to(room).as_posix() for p in room.rglob("*.py")}
    assert any("/" in name for name in modules)  # with its folders
    assert shipped == {"__init__.py", "example.py"} | {f"_priors/{name}" for name in modules}
    others = {p.name for p in bundled.iterdir()} - {"__init__.py", "example.py", "__pycache__"}
    assert others == {"README.md", "LICENSE", "_priors"}
    assert not any(p.is_symlink() for p in bundled.rglob("*"))
    for name in modules:
        assert (bundled / "_priors" / name).read_bytes() == (room / name).read_bytes()
    assert sorted(bundled.parent.iterdir()) == [bundled]  # no scratch left


def test_nothing_is_overwritten(tmp_path):
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    done = subprocess.run(
        [sys.executable, TREE / "bundle.py", tmp_path], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "not an empty folder" in done.stderr
    assert [*tmp_path.iterdir()] == [mine]


def test_the_front_matter_and_sections_are_the_registrys():
    _, header, body = README.split("---\n", 2)
    fields = yaml.safe_load(header)
    expected = ["author", "title", "description", "tags", "optuna_versions", "license"]
    assert list(fields) == expected
    assert all(isinstance(fields[f], str) for f in ("author", "title", "description"))
    for field in ("tags", "optuna_versions"):
        assert fields[field]
        assert all(isinstance(entry, str) for entry in fields[field])
    assert "sampler" in fields["tags"]
    assert fields["license"] == "MIT License"
    sections = re.findall(r"^## (.*)$", body, flags=re.MULTILINE)
    assert sections == ["Abstract", "Class or Function Names", "Installation", "Example", "Others"]
    assert (PACKAGE / "LICENSE").read_bytes() == (TREE.parent / "LICENSE").read_bytes()


def test_the_readme_names_what_there_is_and_runs(hub, tmp_path, monkeypatch, capsys):
    listed = README.split("## Class or Function Names\n")[1].split("##")[0]
    assert sorted(re.findall(r"^- (\w+)$", listed, flags=re.MULTILINE)) == sorted(hub.__all__)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("optunahub.load_module", lambda package: hub)
    (block,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    exec(compile(block, "README.md", "exec"), {})
    assert "infoprior:source" in capsys.readouterr().out
