"""Mutual information and entropy of plain tensors, in nats.

`mine` and `mine_labels` train one small critic per pair, all of them together as one stack of
batched matrix products, and report what the critics are worth on rows they have never seen. The
room knows nothing of networks, tasks or files.

>>> import numpy as np
>>> from infoprior.information import MineSettings, mine
>>> rng = np.random.default_rng(0)
>>> x = rng.normal(size=(2000, 1))
>>> y = 0.9 * x + np.sqrt(1 - 0.9**2) * rng.normal(size=(2000, 1))
>>> [estimate] = mine([x], [y], seed=0, settings=MineSettings(max_rows=None))
>>> abs(estimate.nats - 0.83) < 0.15
True
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infoprior.information._entropy import entropy
    from infoprior.information._estimate import FLAGS, Estimate, MineSettings
    from infoprior.information._inputs import InformationError, choose_rows
    from infoprior.information._mine import mine, mine_labels
    from infoprior.information._objective import donsker_varadhan

_HOMES = {
    "FLAGS": "_estimate",
    "Estimate": "_estimate",
    "InformationError": "_inputs",
    "MineSettings": "_estimate",
    "choose_rows": "_inputs",
    "donsker_varadhan": "_objective",
    "entropy": "_entropy",
    "mine": "_mine",
    "mine_labels": "_mine",
}

__all__ = [
    "FLAGS",
    "Estimate",
    "InformationError",
    "MineSettings",
    "choose_rows",
    "donsker_varadhan",
    "entropy",
    "mine",
    "mine_labels",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
