"""`Evidence`: whatever is known of a task, from nothing at all to a search half done."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from infoprior._arguments import instance_of, whole_number
from infoprior.predictors._errors import PredictorError
from infoprior.predictors._records import Record, curve_records, with_layers
from infoprior.predictors._study_records import check_study, rows_of, study_records

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from optuna.study import Study

    from infoprior.profiles import TaskProfile


@dataclass(frozen=True, eq=False)
class Evidence:
    """What is known of a task; every part may be missing.

    >>> Evidence(curves=[{"architecture": "a003", "epoch": 1, "validation_accuracy": 0.7}])
    Evidence(1 records of 1 architectures)

    Args:
        profile: what its probes, its rows and its inputs showed.
        curves: partial learning curves of networks trained on it: a frame or a list of dicts, one
            row per network and epoch, with `epoch`, `validation_accuracy` and, where they are
            known, `validation_loss`, `train_loss` (nats) and `seed` (0); and with `architecture`
            (the id of a recorded architecture), or `params` (a point of the space), or a column per
            parameter. Test results, if there are any, are not read.
        n_validation: rows that validation results are of; None: as many as training tasks had.
        layers: what trained networks' own layers say: frames of `profile_network`, one below the
            other, measured by the recipe of the training tasks' networks; networks are named as in
            `curves`, in columns architecture (or params), seed (0) and epoch. None: nothing.

    Raises:
        PredictorError: the profile is none, or a record lacks a field or holds a value that it
            cannot hold, or layers lack a column.
    """

    profile: TaskProfile | None = None
    curves: Any = None
    n_validation: int | None = None
    layers: pd.DataFrame | None = None
    records: tuple[Record, ...] = field(init=False, default=(), repr=False)

    def __post_init__(self) -> None:
        from infoprior.predictors._features import check_profile

        if self.profile is not None:
            check_profile(self.profile)
        if self.n_validation is not None:
            whole_number(self.n_validation, "n_validation", 1, PredictorError)
        object.__setattr__(
            self, "records", tuple(with_layers(curve_records(self.curves), self.layers))
        )

    def __repr__(self) -> str:
        parts = [] if self.profile is None else [f"profile of {self.profile.task!r}"]
        if self.records:
            networks = len({record.architecture for record in self.records})
            parts.append(f"{len(self.records)} records of {networks} architectures")
        return f"Evidence({', '.join(parts) or 'nothing'})"

    @classmethod
    def of_study(
        cls, study: Study, *, profile: TaskProfile | None = None, n_validation: int | None = None,
        epochs: int | None = None, fixed: Mapping[str, Any] | None = None,
    ) -> Evidence:  # fmt: skip
        """What the trials of a study have shown so far.

        Read are the values that trials reported, as validation accuracies after as many epochs as
        their steps say: of trials that are finished, pruned, failed or running. Steps below 1 and
        values that are not finite are left out. A trial that continues a paused one
        (`infoprior.hyperband_study`) is the same network.

        >>> import optuna
        >>> from infoprior.spaces import get_space
        >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
        >>> study = optuna.create_study(direction="maximize")
        >>> trial = study.ask(dict(get_space("mlp")))
        >>> trial.report(0.7, step=1)
        >>> Evidence.of_study(study)
        Evidence(1 records of 1 architectures)

        Args:
            study: maximises an accuracy, from 0 to 1; its parameters are those of the predictor's
                space.
            profile: of the task.
            n_validation: rows that its values are of; None: what its user attribute `n_validation`
                says, if there is one.
            epochs: what the value of a completed trial that reported nothing then counts as; None:
                only what was reported is read.
            fixed: parameters of the predictor's space that the study does not search, with their
                values.

        Raises:
            PredictorError: the study is none or minimises, a value is no accuracy, or as when
                evidence is made.
        """
        study = check_study(study)
        rows = rows_of(study) if n_validation is None else n_validation
        return cls(profile, list(study_records(study, epochs, fixed)), rows)

    def with_curves(self, curves: Any) -> Evidence:
        """The same task with these curves instead of its own.

        Raises:
            PredictorError: as when it is made.
        """
        return replace(self, curves=curves)


def check_evidence(evidence: object) -> None:
    """PredictorError where it is no `Evidence`."""
    remedy = "give Evidence(profile=..., curves=...), or nothing"
    instance_of(evidence, Evidence, "evidence", remedy, PredictorError)


NOTHING = Evidence()
"""What is known of a task before anyone has looked at it."""
