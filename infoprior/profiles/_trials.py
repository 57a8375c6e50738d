"""The probes' trainings as trials of a search that is to follow, so that they are paid for once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infoprior._arguments import instance_of
from infoprior.priors._trial import ENQUEUED, RUNG, SOURCE
from infoprior.profiles._probes import READINGS, reading_of
from infoprior.profiles._schema import ProfileError
from infoprior.profiles._task import TaskProfile

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial


def probe_trials(profile: TaskProfile) -> list[FrozenTrial]:
    """The probes of a profile as trials that stopped at the epoch at which they were read.

    They are ordinary points of their space: what a study maximises is the validation accuracy that
    `infoprior.training.objective` reports. `study.add_trials(probe_trials(profile))`, before the
    first trial, tells a sampler of them. Where trials are promoted (`infoprior.hyperband_study`)
    they are, as others; the network is then trained anew, with a seed of that trial's.

    Args:
        profile: of `profile_task`.

    Returns:
        a trial for each probe, pruned, in the order of its names.

    Raises:
        ProfileError: the profile is none, or its probes are not those of a space.
    """
    import optuna

    from infoprior.spaces import get_space

    remedy = "give a TaskProfile, as profile_task returns it"
    instance_of(profile, TaskProfile, "profile", remedy, ProfileError)
    names = sorted(set(profile.curves["architecture"]))
    reading = READINGS[reading_of(set(names))]
    if unknown := [name for name in names if name not in reading.probes]:
        raise ProfileError(f"The profile's probe {unknown[0]!r} is not one of a space's.")
    space = get_space(reading.space)
    trials = []
    for name in names:
        curve = profile.curves[profile.curves["architecture"] == name].sort_values("epoch")
        epochs = [int(epoch) for epoch in curve["epoch"]]
        reported = dict(zip(epochs, map(float, curve["validation_accuracy"]), strict=True))
        notes = {RUNG: epochs[-1], SOURCE: ENQUEUED}
        trials.append(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState.PRUNED,
                params=space.validate(reading.probes[name]),
                distributions=dict(space),
                intermediate_values=reported,
                user_attrs={**notes, "test_accuracy": float(curve["test_accuracy"].iloc[-1])},
            )
        )
    return trials
