"""torch-mist's MINE on samples from a file; runs in the peers' environment (make bench-peers).

    .venv-peers/bin/python benchmarks/information/peer_torch_mist.py \\
        samples.npz answers.json [--setting ...]

The file holds arrays x0, y0, x1, y1, ...; an integer y is given to the critic one-hot. Two
settings:

    default   `estimate_mi(data, "mine")` as it comes: 5,000 steps of 128 rows, one hidden layer of
              128; its value is of the rows it was trained on (the package warns of it), and early
              stopping does not apply to its MINE.
    held-out  60 % of the rows train one hidden layer of 128 at a learning rate of 1e-3, batches of
              128, at most 100 epochs; 20 % choose the epoch (early stopping, patience ten epochs,
              which needs the estimator marked as a lower bound), 20 % give the value. Of five
              settings tried (learning rates 1e-3 to 5e-3, one or two layers, one or eight negative
              samples, batches of 128 or 256) the one with the smallest error on these layers.

The answer is a list of {"nats", "seconds"}; seconds exclude imports and are CPU seconds of
one thread.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import time

import numpy as np
import torch
from torch_mist import estimate_mi
from torch_mist.estimators.factories import instantiate_estimator


def default(x: torch.Tensor, y: torch.Tensor) -> float:
    value = estimate_mi({"x": x, "y": y}, estimator="mine", verbose=False, logger=False)
    return float(value[0] if isinstance(value, tuple) else value)


def held_out(x: torch.Tensor, y: torch.Tensor) -> float:
    order = torch.randperm(len(x))
    parts = [order[: len(x) * 6 // 10], order[len(x) * 6 // 10 : len(x) * 8 // 10]]
    parts.append(order[len(x) * 8 // 10 :])
    train, valid, test = ({"x": x[rows], "y": y[rows]} for rows in parts)
    estimator = instantiate_estimator("mine", x_dim=x.shape[1], y_dim=y.shape[1], hidden_dims=[128])
    estimator.lower_bound = True  # otherwise it refuses to stop early
    value = estimate_mi(
        train,
        estimator=estimator,
        valid_data=valid,
        valid_percentage=0,
        test_data=test,
        max_epochs=100,
        batch_size=128,
        evaluation_batch_size=len(test["x"]),
        optimizer_params={"lr": 1e-3},
        patience=10,
        fast_train=True,
        verbose=False,
        logger=False,
    )
    return float(value[0] if isinstance(value, tuple) else value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("samples")
    parser.add_argument("answers")
    parser.add_argument("--setting", choices=("default", "held-out"), default="held-out")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    data = np.load(options.samples)
    answers = []
    for i in range(len(data.files) // 2):
        torch.manual_seed(options.seed)
        np.random.seed(options.seed)  # noqa: NPY002 - the package draws from the global state
        random.seed(options.seed)
        x = torch.from_numpy(data[f"x{i}"]).float()
        y = torch.from_numpy(data[f"y{i}"])
        y = y.float() if y.ndim == 2 else torch.nn.functional.one_hot(y.long()).float()
        x = (x - x.mean(0)) / x.std(0)
        start = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            nats = default(x, y) if options.setting == "default" else held_out(x, y)
        answers.append({"nats": nats, "seconds": time.process_time() - start})
    with open(options.answers, "w") as file:
        json.dump(answers, file)


if __name__ == "__main__":
    main()
