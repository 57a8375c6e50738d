"""What worker processes do for the stage `predictors`: one fit a job."""

from __future__ import annotations

import json
from base64 import b64encode
from collections import OrderedDict
from copy import copy
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from infoprior.evaluation import score_held_out
from infoprior.fingerprints import fingerprint
from infoprior.metadataset import MetaDataset
from infoprior.predictors import PerformancePredictor, make_predictor
from pipeline.variants import Variant


@lru_cache(maxsize=8)
def read_meta(folder: str, shuffle: int) -> MetaDataset:
    meta = MetaDataset.load(folder)
    return meta if shuffle < 0 else meta.shuffle_profiles(shuffle)


class SharedFit:
    """A performance predictor that learns curves once for all variants of the same training tasks.

    They differ in profiles only, which `with_profiles` learns in a tenth of the time.
    """

    _learned: ClassVar[OrderedDict[str, PerformancePredictor]] = OrderedDict()
    _most = 8

    def __init__(self, wanted: PerformancePredictor) -> None:
        self._wanted = wanted

    def fit(self, meta: MetaDataset) -> PerformancePredictor:
        wanted, learned = self._wanted, self._learned
        about = (wanted.kind, repr(wanted.settings), repr(wanted.prior_settings))
        results = meta.curves["test_accuracy"].to_numpy().tobytes()
        key = fingerprint(about, list(meta.tasks["task"]), sha256(results).hexdigest())
        if key not in learned:
            learned[key] = copy(wanted).fit(meta, progress=False)
            if len(learned) > self._most:
                learned.popitem(last=False)
        return learned[key].with_profiles(meta, inputs=wanted.inputs)


def fit_one(
    folder: str, variant: Variant, shuffle: int, train: list[str], held_out: list[str],
    settings: dict,
) -> dict[str, Any]:  # fmt: skip
    """Fit a variant on some tasks; what it scores, and the held-out tasks' scores.

    Returns:
        "names" of the points that have a score: ids of recorded architectures, and "candidate-<i>";
        "candidates", name -> params; "scores", task -> one score a point.
    """
    import torch

    torch.set_num_threads(1)
    meta = read_meta(folder, shuffle)
    points, scores = score_held_out(
        lambda: _unfitted(variant, settings), meta, held_out, train
    )  # fmt: skip
    recorded = {json.dumps(point): name for name, point in meta.points().items()}
    names = [recorded.get(json.dumps(point), f"candidate-{i}") for i, point in enumerate(points)]
    known = set(recorded.values())
    return {
        "names": names,
        "candidates": {n: p for n, p in zip(names, points, strict=True) if n not in known},
        "scores": {task: values.tolist() for task, values in scores.items()},
    }


def _unfitted(variant: Variant, settings: dict) -> Any:
    predictor = make_predictor(variant.predictor, variant.input_names, **settings)
    if isinstance(predictor, PerformancePredictor):
        return SharedFit(predictor)
    return predictor


def fit_final(folder: str, variant: Variant, settings: dict) -> dict[str, str]:
    """Fit a variant on every task: the files that it is saved as, each as base64."""
    import torch

    torch.set_num_threads(1)
    predictor = make_predictor(variant.predictor, variant.input_names, **settings)
    predictor.fit(read_meta(folder, -1))
    with TemporaryDirectory() as saved:
        predictor.save(saved)
        return {f.name: b64encode(f.read_bytes()).decode() for f in sorted(Path(saved).iterdir())}
