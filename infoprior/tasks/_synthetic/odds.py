"""Odds of the second generator's settings.

`python benchmarks/metadataset/encodings.py --fit` wrote them, from the families of
`infoprior.metadataset.FITTED_FAMILIES` only. A change makes other tasks of all its indices.
"""

from typing import Any

ODDS: dict[str, dict[Any, float]] = {
    "rows": {
        "few": 0.009,
        "some": 0.41,
        "many": 0.58,
    },
    "mechanism": {
        "columns": 0.826,
        "mixture": 0.083,
        "network": 0.046,
        "prototypes": 0.046,
        "trees": 0.005,
    },
    "temperature": {
        "none": 0.141,
        "low": 0.648,
        "middle": 0.129,
        "high": 0.083,
    },
    "style": {
        "plain": 0.105,
        "alike": 0.384,
        "warped": 0.008,
        "mixed": 0.085,
        "discrete": 0.193,
        "irregular": 0.132,
        "coded": 0.094,
    },
    "term": {
        "linear": 0.563,
        "periodic": 0.005,
        "steps": 0.173,
        "trees": 0.005,
        "curves": 0.047,
        "pairs": 0.034,
        "network": 0.183,
    },
    "view": {
        "measured": 0.457,
        "before the warp": 0.543,
    },
    "terms": {
        1: 0.147,
        2: 0.327,
        3: 0.526,
    },
    "reads": {
        "few": 0.062,
        "half": 0.531,
        "all": 0.408,
    },
}
