"""Profiles: a trained network gives one row of information per hidden layer, in nats.

`profile_network` reads one network, `profile_networks` many of them at once; `profile_task` trains
different probe networks (the four `PROBES`, or the two `TABULAR_PROBES` for the space `tabular`) on
a task and reads them, `profile_images` four convolutional ones (`IMAGE_PROBES`) on a task of
images. `RECIPES` says with which estimators, `READINGS` what belongs to the profile of a task for
which space. `input_profile` reads a task's inputs without any network. What comes out is what
predictors of priors are fed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from infoprior._lazy import lazy

if TYPE_CHECKING:
    from infoprior.profiles._diagnostics import data_processing
    from infoprior.profiles._encoders import input_encoders
    from infoprior.profiles._images import IMAGE_PROBES, profile_images
    from infoprior.profiles._input_features import (
        BASIC_INPUT_FEATURES,
        ENCODINGS,
        INPUT_FEATURES,
        READ_ENCODINGS,
        READ_INPUT_FEATURES,
    )
    from infoprior.profiles._inputs import InputProfile, input_profile, numeric_columns
    from infoprior.profiles._network import profile_network, profile_networks
    from infoprior.profiles._probes import PROBES, READINGS, TABULAR_PROBES, Reading
    from infoprior.profiles._recipe import RECIPES, Recipe, get_recipe, recipe_for
    from infoprior.profiles._schema import (
        PART_COLUMNS,
        PROBE_CURVE_COLUMNS,
        PROFILE_COLUMNS,
        PROFILE_FLAGS,
        ProfileError,
        validate_curves,
        validate_profile,
    )
    from infoprior.profiles._task import TaskProfile, profile_task
    from infoprior.profiles._trials import probe_trials

__all__ = [
    "BASIC_INPUT_FEATURES",
    "ENCODINGS",
    "IMAGE_PROBES",
    "INPUT_FEATURES",
    "PART_COLUMNS",
    "PROBES",
    "PROBE_CURVE_COLUMNS",
    "PROFILE_COLUMNS",
    "PROFILE_FLAGS",
    "READINGS",
    "READ_ENCODINGS",
    "READ_INPUT_FEATURES",
    "RECIPES",
    "TABULAR_PROBES",
    "InputProfile",
    "ProfileError",
    "Reading",
    "Recipe",
    "TaskProfile",
    "data_processing",
    "get_recipe",
    "input_encoders",
    "input_profile",
    "numeric_columns",
    "probe_trials",
    "profile_images",
    "profile_network",
    "profile_networks",
    "profile_task",
    "recipe_for",
    "validate_curves",
    "validate_profile",
]

__getattr__, __dir__ = lazy(__name__)
