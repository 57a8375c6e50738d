"""Who sees which rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from infoprior.information import InformationError
from infoprior.information._neural.folds import deal


@pytest.mark.parametrize(("n", "folds"), [(1000, 5), (53, 5), (60, 3), (50, 10)])
def test_parts_are_disjoint_and_every_row_is_tested_once(n: int, folds: int) -> None:
    dealt = deal(n, folds, seed=3)
    size = n // folds
    assert len(dealt) == folds
    assert dealt.n == size * folds
    used = sorted(dealt.test.flatten().tolist())
    assert len(set(used)) == dealt.n
    assert max(used) < n
    for train, validation, test in zip(dealt.train, dealt.validation, dealt.test, strict=True):
        assert (len(train), len(validation), len(test)) == ((folds - 2) * size, size, size)
        assert sorted(torch.cat([train, validation, test]).tolist()) == used


def test_classes_are_shared_out_evenly() -> None:
    labels = np.repeat([0, 1], [900, 100])
    dealt = deal(1000, 5, seed=3, labels=labels)
    for part, share in ((dealt.train, 60), (dealt.validation, 20), (dealt.test, 20)):
        assert (torch.from_numpy(labels)[part].sum(dim=1) == share).all()


def test_neighbours_need_not_share_a_class() -> None:
    """Pairs of shifted rows stand for independent ones."""
    labels = np.repeat(np.arange(4), 250)
    rows = deal(1000, 5, seed=0, labels=labels).test[0]
    same = (labels[rows] == labels[rows.roll(1)]).mean()
    assert same < 0.4


def test_the_seed_deals() -> None:
    assert torch.equal(deal(100, 5, 0).train, deal(100, 5, 0).train)
    assert not torch.equal(deal(100, 5, 0).test, deal(100, 5, 1).test)


@pytest.mark.parametrize("folds", [2, 0, -1, 26, 5.0, True, "5"])
def test_refuses(folds: object) -> None:
    with pytest.raises(InformationError, match="folds is"):
        deal(50, folds, seed=0)  # type: ignore[arg-type]
