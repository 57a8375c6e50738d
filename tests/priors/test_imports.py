"""A prior can be sampled where nothing but numpy and Optuna is installed."""

from __future__ import annotations

import subprocess
import sys

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


def test_nothing_heavy_is_imported() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
