"""Odds of the second generator's settings.

`python benchmarks/metadataset/encodings.py --fit` wrote them, from the families of
`infoprior.metadataset.FITTED_FAMILIES` only. A change makes other tasks of all its indices.
"""

from typing import Any

ODDS: dict[str, dict[Any, float]] = {
    "rows": {
        "few": 0.071,
        "some": 0.296,
        "many": 0.632,
    },
    "mechanism": {
        "columns": 0.65,
        "mixture": 0.199,
        "network": 0.056,
        "prototypes": 0.066,
        "trees": 0.03,
    },
    "temperature": {
        "none": 0.124,
        "low": 0.335,
        "middle": 0.271,
        "high": 0.27,
    },
    "style": {
        "plain": 0.188,
        "alike": 0.149,
        "warped": 0.055,
        "mixed": 0.136,
        "discrete": 0.263,
        "irregular": 0.03,
        "coded": 0.18,
    },
    "term": {
        "linear": 0.528,
        "periodic": 0.03,
        "steps": 0.234,
        "trees": 0.03,
        "curves": 0.083,
        "pairs": 0.03,
        "network": 0.119,
    },
    "view": {
        "measured": 0.384,
        "before the warp": 0.616,
    },
    "terms": {
        1: 0.258,
        2: 0.262,
        3: 0.48,
    },
    "reads": {
        "few": 0.157,
        "half": 0.415,
        "all": 0.427,
    },
}
