"""Twenty-seven trials under Hyperband, from an expert's guess that is about right."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution

import optunahub

HERE = Path(__file__).resolve().parent
# From the registry: hub = optunahub.load_module("samplers/prior_sampler")
hub = optunahub.load_local_module(HERE.name, registry_root=str(HERE.parent))

SPACE = {
    "learning_rate": FloatDistribution(1e-5, 1e-1, log=True),
    "dropout": FloatDistribution(0.0, 0.9),
    "optimizer": CategoricalDistribution(["sgd", "adam"]),
}


def objective(trial: optuna.Trial) -> float:
    """A made-up learning curve of nine epochs; the best learning rate is 3e-3."""
    rate = trial.suggest_float("learning_rate", 1e-5, 1e-1, log=True)
    dropout = trial.suggest_float("dropout", 0.0, 0.9)
    optimizer = trial.suggest_categorical("optimizer", ["sgd", "adam"])
    loss = (rate / 3e-3 - 1.0) ** 2 / (rate / 3e-3) + (dropout - 0.2) ** 2
    loss += 0.0 if optimizer == "adam" else 0.3
    for epoch in range(1, 10):
        trial.report(loss + 1.0 / epoch, step=epoch)
        if trial.should_prune():
            raise optuna.TrialPruned
    return loss


def main() -> None:
    # A prior.json is passed the same way: PriorSampler("prior.json", seed=0).
    guess = {"learning_rate": 1e-3, "optimizer": "adam"}
    prior = hub.Prior.from_expert(SPACE, guess, confidence="medium")
    # With the storage, the sources below are kept in files and databases too.
    storage = optuna.storages.InMemoryStorage()
    study = optuna.create_study(
        storage=storage,
        study_name="example",
        sampler=hub.PriorSampler(prior, seed=0, storage=storage),
        pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=9),
    )
    study.optimize(objective, n_trials=27)
    print("best:", study.best_value, study.best_params)
    print("proposed by:", dict(Counter(study.sampler.source(t) for t in study.trials)))
    print(f"the prior's weight in the next trials: {study.sampler.prior_weight(study):.2f}")


if __name__ == "__main__":
    main()
