"""The numbers that real and synthetic tasks are compared by."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

# What a task is compared by: meta-features without the number of rows, which the generator
# spreads on purpose, and the landmarkers as skill above the commonest class.
SKILLS = ("nearest", "linear", "tree", "bayes")
COMPARED = (
    "log_features", "log_classes", "class_entropy", "minority_share", "binary_fraction",
    "mode_share", "skewness", "kurtosis", "correlation", "pca_95", "class_signal_mean",
    "class_signal_max", *(f"skill_{name}" for name in SKILLS), "best_skill", "tree_gain",
    "nearest_gain",
)  # fmt: skip


def with_skills(values: Mapping[str, float]) -> dict[str, float]:
    """Meta-features, and landmarkers as skill above the commonest class."""
    majority = values["majority_share"]
    skills = {
        f"skill_{name}": (values[f"landmark_{name}"] - majority) / max(1 - majority, 0.02)
        for name in SKILLS
    }
    # A skill far below zero (naive Bayes on rare classes) would stand for all else.
    skills = {name: float(np.clip(value, -0.5, 1.0)) for name, value in skills.items()}
    best = max(skills.values())
    return {
        **values,
        **skills,
        "best_skill": best,
        "tree_gain": skills["skill_tree"] - skills["skill_linear"],
        "nearest_gain": skills["skill_nearest"] - skills["skill_linear"],
    }
