"""Odds of the second generator's settings.

`python benchmarks/metadataset/encodings.py --fit` wrote them, from the families of
`infoprior.metadataset.FITTED_FAMILIES` only.
"""

from typing import Any

ODDS: dict[str, dict[Any, float]] = {
    "rows": {"few": 0.022, "some": 0.37, "many": 0.609},
    "mechanism": {"columns": 0.805, "mixture": 0.013, "network": 0.076, "prototypes": 0.023, "trees": 0.083},
    "temperature": {"none": 0.239, "low": 0.284, "middle": 0.212, "high": 0.265},
    "style": {"plain": 0.103, "alike": 0.148, "warped": 0.069, "mixed": 0.109, "discrete": 0.186, "irregular": 0.244, "coded": 0.14},
    "term": {"linear": 0.304, "periodic": 0.16, "steps": 0.02, "trees": 0.006, "curves": 0.188, "pairs": 0.18, "network": 0.143},
    "view": {"measured": 0.625, "before the warp": 0.375},
    "terms": {1: 0.248, 2: 0.315, 3: 0.437},
    "reads": {"few": 0.688, "half": 0.191, "all": 0.121},
}  # fmt: skip
