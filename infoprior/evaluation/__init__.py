"""Judging priors: splits by family, metrics, statistics over tasks, Hyperband replayed and live.

The room knows nothing of predictors: it works on `Prior` objects, on arrays of log-ratios
``log p(x) - log u(x)`` over the recorded architectures of a task, and on data frames.

- splits: `hold_out`, `family_folds`, `held_out_splits` (a family of near-duplicates is never
  split);
  `predict_held_out` fits on one side and predicts the other, `score_held_out` the same as far as
  the scores that priors are made of;
- metrics of one task: `kendall_tau`, `log_ratio_of_best`, `best_of_k_regret`, `task_metrics`;
  `over_recorded` restricts a prior to the recorded architectures, as all that follow do;
- statistics over tasks: `bootstrap_interval`, `wilcoxon`, `holm`, `compare`, `mean_ranks`;
- `replay`: Hyperband over recorded curves; `live_study`: Optuna training real networks;
- the tables of a report: `judge_task`, `compare_variants`, `compare_with_control`,
  `predictor_report`, `choose_variant`; of searches: `replay_task`, `summarize_searches`,
  `regret_curves`.

Regret is test accuracy below the best recorded architecture, in units of (best − median of the
recorded): 0 is the best, 1 the median one, above 1 is worse than the median, NaN where a search
has no finished network yet. Costs are in full trainings. Log-ratios are in nats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infoprior._lazy import lazy

if TYPE_CHECKING:
    from infoprior.evaluation._crossvalidation import (
        log_ratio_table,
        predict_held_out,
        score_held_out,
    )
    from infoprior.evaluation._errors import EvaluationError
    from infoprior.evaluation._judging import (
        choose_variant,
        compare_variants,
        compare_with_control,
        judge_task,
        predictor_report,
        variant_means,
    )
    from infoprior.evaluation._live import live_study, regret_curve
    from infoprior.evaluation._metrics import (
        RegretScale,
        best_of_k_regret,
        kendall_tau,
        log_ratio_of_best,
        over_recorded,
        task_metrics,
        task_seed,
    )
    from infoprior.evaluation._ranks import Ranks, mean_ranks
    from infoprior.evaluation._replay import RecordedCurves, replay
    from infoprior.evaluation._searches import (
        live_regret,
        regret_curves,
        replay_task,
        summarize_searches,
        tasks_for_live_studies,
    )
    from infoprior.evaluation._splits import family_folds, held_out_splits, hold_out
    from infoprior.evaluation._statistics import (
        Interval,
        bootstrap_interval,
        compare,
        holm,
        wilcoxon,
    )

__all__ = [
    "EvaluationError",
    "Interval",
    "Ranks",
    "RecordedCurves",
    "RegretScale",
    "best_of_k_regret",
    "bootstrap_interval",
    "choose_variant",
    "compare",
    "compare_variants",
    "compare_with_control",
    "family_folds",
    "held_out_splits",
    "hold_out",
    "holm",
    "judge_task",
    "kendall_tau",
    "live_regret",
    "live_study",
    "log_ratio_of_best",
    "log_ratio_table",
    "mean_ranks",
    "over_recorded",
    "predict_held_out",
    "predictor_report",
    "regret_curve",
    "regret_curves",
    "replay",
    "replay_task",
    "score_held_out",
    "summarize_searches",
    "task_metrics",
    "task_seed",
    "tasks_for_live_studies",
    "variant_means",
    "wilcoxon",
]

__getattr__, __dir__ = lazy(__name__)
