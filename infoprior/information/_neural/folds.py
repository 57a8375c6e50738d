"""Which rows train, which choose the step, and which are reported, in turn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from infoprior._arguments import is_whole
from infoprior.information._inputs import InformationError, generator


@dataclass(frozen=True)
class Folds:
    """Row numbers, int64. In every fold the three parts are disjoint; every row is tested once.

    Attributes:
        train: shape (F, (F - 2) m), with m = n // F.
        validation: shape (F, m).
        test: shape (F, m).
    """

    train: Tensor
    validation: Tensor
    test: Tensor

    def __len__(self) -> int:
        return len(self.test)

    @property
    def n(self) -> int:
        """Rows used: n rounded down to a multiple of F."""
        return self.test.numel()

    def to(self, device: torch.device) -> Folds:
        return Folds(self.train.to(device), self.validation.to(device), self.test.to(device))


def deal(n: int, folds: int, seed: int, labels: np.ndarray | None = None) -> Folds:
    """Deal rows to folds in turn, in a random order; with labels class by class.

    In fold f, part f is tested, part f + 1 chooses the step, and the others train. The few rows
    that are left over when n is no multiple of `folds` are not used.

    Args:
        n: number of rows.
        folds: how many.
        seed: of the order.
        labels: class of each row, shape (n,), to stratify by.

    Raises:
        InformationError: fewer than three folds, or more than half as many as rows.
    """
    if not is_whole(folds) or not 3 <= folds <= n // 2:
        raise InformationError(
            f"folds is {folds!r} for {n} rows; give a whole number of at least 3 (train, choose, "
            "report) that leaves two rows a fold."
        )
    size = n // folds
    order = generator(seed, "split").permutation(n)[: size * folds]
    if labels is not None:
        order = order[np.argsort(labels[order], kind="stable")]
    # Within a part the order is random again: neighbours must not share a class.
    parts = order.reshape(size, folds).T
    shuffle = generator(seed, "within").permutation
    parts = np.stack([shuffle(part) for part in parts])
    train, validation = [], []
    for f in range(folds):
        chosen = (f + 1) % folds
        rest = [g for g in range(folds) if g not in (f, chosen)]
        train.append(shuffle(parts[rest].ravel()))
        validation.append(parts[chosen])
    return Folds(*(torch.from_numpy(np.stack(p)) for p in (train, validation, list(parts))))
