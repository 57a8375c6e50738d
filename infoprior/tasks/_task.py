"""The `Task`: one classification data set with fixed train, validation and test rows."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from infoprior.files import write_atomically

PARTS = ("train", "validation", "test")
KINDS = ("real", "enumerated", "synthetic")
_FORMAT = "infoprior.task/1"


class TaskError(ValueError):
    """Bad data or a bad request for data; one sentence: what is wrong, where, what to do."""


class TaskWarning(UserWarning):
    """Something was left out while a table was read, such as rows without a label."""


@dataclass(frozen=True, eq=False)
class Task:
    """A classification data set, ready for a network.

    Attributes:
        name: unique, such as "keel/letter", "synthetic/17" or "table/customers".
        family: near-duplicates share one, so that whole families can be held out.
        source: the package and its version, a file name, "generator" or "openml".
        kind: "real", "enumerated" (every combination of a rule's inputs) or "synthetic".
        X: float32. Tables, shape (n, d): one-hot encoded, imputed and standardised with statistics
            of the training rows only, clipped to [-10, 10]. Images, shape (n, C, H, W):
            standardised by one mean and one standard deviation per channel, of the training rows
            only.
        y: class of each row, shape (n,), int64, in 0..n_classes-1.
        train: indices of the training rows, shape (n_train,), int64. The three parts are disjoint,
            and no row of X occurs in two of them.
        validation: indices of the validation rows, shape (n_validation,), int64.
        test: indices of the test rows, shape (n_test,), int64.
        feature_names: one per column, or per channel of images.
        class_names: one per class, in the order of the numbers in y.

    Raises:
        TaskError: (a ValueError) the arrays break one of these promises.
    """

    name: str
    family: str
    source: str
    kind: str
    X: np.ndarray
    y: np.ndarray
    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]

    def __post_init__(self) -> None:
        def fail(what: str) -> None:
            raise TaskError(f"task {self.name!r}: {what}")

        for field in ("name", "family", "source"):
            if not isinstance(getattr(self, field), str) or not getattr(self, field):
                fail(f"{field} must be a text, not {getattr(self, field)!r}")
        for field in _ARRAYS:
            array = getattr(self, field)
            if not isinstance(array, np.ndarray) or isinstance(array, np.ma.MaskedArray):
                fail(f"{field} must be a NumPy array without a mask, not {type(array).__name__}")
        for field in ("feature_names", "class_names"):
            names = getattr(self, field)
            if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
                fail(f"{field} must be a tuple of texts, not {names!r:.80}")
        if self.kind not in KINDS:
            fail(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        if self.X.ndim not in (2, 4) or self.X.dtype != np.float32 or not self.X.size:
            fail(
                "X must be float32 of shape (n, d), or (n, C, H, W) for images, "
                f"not {self.X.dtype} of {self.X.shape}"
            )
        if self.y.shape != (len(self.X),) or self.y.dtype != np.int64:
            fail(f"y must be int64 of shape ({len(self.X)},), not {self.y.dtype} {self.y.shape}")
        if not np.isfinite(self.X).all():
            fail("X holds values that are not finite")
        if len(self.feature_names) != self.X.shape[1]:
            what = "columns" if self.X.ndim == 2 else "channels"
            fail(f"{len(self.feature_names)} feature names for {self.X.shape[1]} {what}")
        if len(self.class_names) < 2:
            fail("needs at least two classes")
        if len(set(self.class_names)) < len(self.class_names):
            fail("two classes have the same name")
        if self.y.min() < 0 or self.y.max() >= len(self.class_names):
            fail(f"y must lie in 0..{len(self.class_names) - 1}")
        seen = np.zeros(len(self.X), dtype=bool)
        for part in PARTS:
            rows = getattr(self, part)
            if rows.ndim != 1 or rows.dtype != np.int64 or not len(rows):
                fail(f"the {part} indices must be a non-empty int64 vector")
            if rows.min() < 0 or rows.max() >= len(self.X):
                fail(f"the {part} indices must lie in 0..{len(self.X) - 1}")
            if seen[rows].any() or len(np.unique(rows)) != len(rows):
                fail(f"the {part} indices repeat a row or share one with another part")
            seen[rows] = True
        if len(np.unique(self.y[self.train])) != len(self.class_names):
            fail("every class must occur among the training rows")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row: (d,), or (C, H, W) for images."""
        return self.X.shape[1:]

    @property
    def n_features(self) -> int:
        """Numbers in a row: d, or C H W for images."""
        return math.prod(self.shape)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) over the name, X, y and the three index vectors."""
        sha = hashlib.sha256(self.name.encode() + b"\0")
        for field in ("X", "y", *PARTS):
            array = np.ascontiguousarray(getattr(self, field))
            sha.update(f"{field}{array.shape}{array.dtype.str}".encode())
            sha.update(array.tobytes())
        return sha.hexdigest()

    def split(self, which: str) -> tuple[np.ndarray, np.ndarray]:
        """The rows of one part, as copies.

        Args:
            which: "train", "validation" or "test".

        Returns:
            X, shape (m, d) or (m, C, H, W), float32, and y, shape (m,), int64.

        Raises:
            TaskError: there is no such part.
        """
        if not isinstance(which, str) or which not in PARTS:
            raise TaskError(f"no part {which!r}; choose one of {', '.join(PARTS)}")
        rows = getattr(self, which)
        return self.X[rows], self.y[rows]

    def flatten(self) -> Task:
        """The task with pixels as columns, shape (n, C H W), for networks that read vectors.

        Columns are named after their channel and place, such as "gray[3,5]" (row 3, column 5);
        a task without images is returned as it is. The name stays, the digest does not.
        """
        if len(self.shape) == 1:
            return self
        _, height, width = self.shape
        names = (f"{c}[{i},{j}]" for c in self.feature_names for i in range(height)
                 for j in range(width))  # fmt: skip
        return replace(self, X=self.X.reshape(len(self.X), -1), feature_names=tuple(names))

    def __repr__(self) -> str:
        sizes = "/".join(str(len(getattr(self, part))) for part in PARTS)
        inputs = f"{self.n_features} features"
        if len(self.shape) > 1:
            inputs = f"images {'x'.join(map(str, self.shape))}"
        return f"Task({self.name!r}, {self.kind}, rows {sizes}, {inputs}, {self.n_classes} classes)"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write one .safetensors file, atomically; the same task gives the same bytes.

        Args:
            path: of the file; its folder has to exist.

        Raises:
            TaskError: the folder does not exist, or the path is a folder.
        """
        from safetensors.numpy import save

        if Path(path).is_dir():
            raise TaskError(f"{path}: is a folder; name a file in it")
        if not Path(path).parent.is_dir():
            raise TaskError(f"{path}: the folder {Path(path).parent} does not exist; make it first")
        header = {key: getattr(self, key) for key in _TEXT}
        # A single metadata entry, because safetensors keeps several in a hash map's order.
        text = json.dumps({"format": _FORMAT, **header}, sort_keys=True)
        arrays = {key: np.ascontiguousarray(getattr(self, key)) for key in _ARRAYS}
        write_atomically(path, save(arrays, metadata={"task": text}))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Task:
        """Read a file written by `save`.

        Args:
            path: of the file.

        Raises:
            TaskError: it is missing, or holds no task.
        """
        from safetensors import SafetensorError, safe_open

        if not isinstance(path, (str, os.PathLike)):
            raise TaskError(f"path must be the path of a task file, not {path!r}")
        path = Path(path)
        if not path.is_file():
            raise TaskError(f"{path}: no such file")
        try:
            with safe_open(path, framework="numpy") as file:
                header = json.loads((file.metadata() or {}).get("task", "{}"))
                if not isinstance(header, dict) or header.get("format") != _FORMAT:
                    raise TaskError(f"{path}: not a task file ({_FORMAT}), write it by Task.save")
                arrays = {key: file.get_tensor(key) for key in _ARRAYS}
                fields: dict[str, Any] = {key: _as_text(header[key]) for key in _TEXT}
        except TaskError:
            raise
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise TaskError(f"{path}: not a readable task file, write it again ({error})") from None
        return cls(**fields, **arrays)


_TEXT = ("name", "family", "source", "kind", "feature_names", "class_names")
_ARRAYS = ("X", "y", *PARTS)


def _as_text(value: str | Sequence[str]) -> str | tuple[str, ...]:
    return value if isinstance(value, str) else tuple(value)
