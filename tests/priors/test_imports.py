"""What priors import, and what their modules know of each other."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from infoprior import priors

CODE = """
import sys
import numpy as np
from optuna.distributions import IntDistribution
from infoprior.priors import Prior, PriorSampler
prior = Prior.from_points({"k": IntDistribution(1, 9)}, [{"k": 3}])
prior.sample(3, np.random.default_rng(0))
PriorSampler(prior)
prior.restrict({"k": IntDistribution(2, 8, step=2)}).mix(prior.restrict(prior.space).restrict(
    {"k": IntDistribution(2, 8, step=2)})).entropy()
print(sorted({"torch", "pandas", "sklearn", "mlflow", "scipy", "matplotlib"} & sys.modules.keys()))
"""


def test_nothing_but_numpy_and_optuna_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def inside() -> list[Path]:
    """The modules of priors that are not of the search, which reads Optuna's privates too."""
    room = Path(priors.__file__).parent
    return [p for p in sorted(room.rglob("*.py")) if "_search" not in p.parts]


@pytest.mark.parametrize("path", inside(), ids=lambda path: path.stem)
def test_no_module_reads_what_is_private_to_another(path: Path) -> None:
    """`x._name` is read only where `_name` is set or defined, or is a name of the module."""
    tree = ast.parse(path.read_text())
    read, own = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr.startswith("_") and node.attr[1] != "_":
            of_self = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
            (own if of_self or isinstance(node.ctx, ast.Store) else read).add(node.attr)
        elif isinstance(node, ast.FunctionDef):
            own.add(node.name)
    assert read <= own
