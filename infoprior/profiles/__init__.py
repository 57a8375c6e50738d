"""Profiles: a trained network gives one row of information per hidden layer, in nats.

`profile_network` reads one network, `profile_networks` many of them at once; `profile_task` trains
four different probe networks (`PROBES`) on a task and reads them, `profile_images` four
convolutional ones (`IMAGE_PROBES`) on a task of images. `RECIPES` says with which estimators. What
comes out is what predictors of priors are fed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infoprior.profiles._diagnostics import data_processing
    from infoprior.profiles._images import IMAGE_PROBES, profile_images
    from infoprior.profiles._network import profile_network, profile_networks
    from infoprior.profiles._recipe import RECIPES, Recipe, get_recipe, recipe_for
    from infoprior.profiles._schema import (
        PROBE_CURVE_COLUMNS,
        PROFILE_COLUMNS,
        PROFILE_FLAGS,
        ProfileError,
        validate_curves,
        validate_profile,
    )
    from infoprior.profiles._task import PROBES, TaskProfile, profile_task

_HOMES = {
    "IMAGE_PROBES": "_images",
    "PROBE_CURVE_COLUMNS": "_schema",
    "PROBES": "_task",
    "PROFILE_COLUMNS": "_schema",
    "PROFILE_FLAGS": "_schema",
    "RECIPES": "_recipe",
    "ProfileError": "_schema",
    "Recipe": "_recipe",
    "TaskProfile": "_task",
    "data_processing": "_diagnostics",
    "get_recipe": "_recipe",
    "profile_images": "_images",
    "profile_network": "_network",
    "profile_networks": "_network",
    "profile_task": "_task",
    "recipe_for": "_recipe",
    "validate_curves": "_schema",
    "validate_profile": "_schema",
}

__all__ = [
    "IMAGE_PROBES",
    "PROBES",
    "PROBE_CURVE_COLUMNS",
    "PROFILE_COLUMNS",
    "PROFILE_FLAGS",
    "RECIPES",
    "ProfileError",
    "Recipe",
    "TaskProfile",
    "data_processing",
    "get_recipe",
    "profile_images",
    "profile_network",
    "profile_networks",
    "profile_task",
    "recipe_for",
    "validate_curves",
    "validate_profile",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
