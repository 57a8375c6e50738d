"""pytabkit's RealMLP on tasks from files; runs in an environment of its own (make bench-peers).

    .venv-peers/pytabkit/bin/python benchmarks/training/peer_realmlp.py jobs.json answers.json

A job is {"task": a file .npz with X_train, y_train, X_validation, ..., y_test, "options": arguments
of `RealMLP_TD_Classifier` beside the number of threads, folds and the seed}. It gets the validation
rows, by which it keeps the best epoch, as it comes.

The answer is a list of {"seconds", "accuracy", "epochs"}: CPU seconds of one thread
of the fit and of the prediction of the test rows, imports excluded, and test accuracy.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
import warnings
from typing import Any

import numpy as np
import torch
from pytabkit import RealMLP_TD_Classifier
from pytabkit.models.sklearn.default_params import DefaultParams


def fit(data: dict[str, np.ndarray], options: dict[str, Any]) -> dict[str, Any]:
    model = RealMLP_TD_Classifier(
        device="cpu", random_state=0, n_cv=1, n_refit=0, n_threads=1, verbosity=0, **options
    )
    start = time.process_time()
    model.fit(
        data["X_train"], data["y_train"], X_val=data["X_validation"], y_val=data["y_validation"]
    )
    predicted = model.predict_proba(data["X_test"]).argmax(axis=1)
    seconds = time.process_time() - start
    return {
        "seconds": seconds,
        "accuracy": float((model.classes_[predicted] == data["y_test"]).mean()),
        "epochs": options.get("n_epochs", DefaultParams.RealMLP_TD_CLASS["n_epochs"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("jobs")
    parser.add_argument("answers")
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    with open(options.jobs) as file:
        jobs = json.load(file)
    answers = []
    for job in jobs:
        with np.load(job["task"]) as arrays:
            data = dict(arrays)
        if not answers:  # what is loaded on first use
            fit(data, {"n_epochs": 1})
        answers.append(fit(data, job["options"]))
    with open(options.answers, "w") as file:
        json.dump(answers, file)


if __name__ == "__main__":
    main()
