"""Which estimators measure a layer, with which options: part of what a measured number means."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from infoprior._arguments import instance_of
from infoprior.profiles._schema import ProfileError

TABULAR_CRITICS: Mapping[str, Any] = {
    "hidden": 32,
    "batch_size": 256,
    "steps": 200,
    "learning_rate": 5e-3,
    "check_every": 10,
    "patience": 20,
}
"""How the critics of the recipe "tabular" are trained. Tables that decide on method and options:
benchmarks/results/information/mi_accuracy.csv (errors) and
benchmarks/results/information/mi_speed.csv (seconds)."""

RELATIVE_NOISE = 2.0
"""sigma of the noise, as a multiple of the root mean square of the standard deviations of a layer's
units. Chosen by `benchmarks/information/noise.py` (benchmarks/results/information/noise.csv): the
probes' six layers on 12 real tasks of 800 rows, three seeds; medians and standard deviations in
nats, shares of layers flagged, Spearman's correlations.

    relative  bounds_disagree  saturated  nats  over tasks  over seeds  same order of  effective
                                                                        tasks, seeds   rank
    0.25      1.00             0.93       25.7  12.49       1.00        0.98           0.95
    0.5       0.97             0.64       10.3   4.48       0.37        0.98           0.95
    1         0.76             0.19        5.5   1.51       0.15        0.99           0.97
    2         0.05             0.00        2.8   0.55       0.07        0.97           0.88
    4         0.00             0.00        1.1   0.12       0.02        0.93           0.74

With less noise 800 rows cannot tell the value; with more, tasks lose their order between seeds and
little is left but the layer's width. One unit drowns in noise of twice its spread; what is measured
is what a layer says with many units together, from which noise averages out.
"""

SHORT_CRITICS: Mapping[str, Any] = {
    "hidden": 32,
    "batch_size": 128,
    "steps": 60,
    "learning_rate": 1e-2,
    "check_every": 20,
    "patience": 40,
}
"""How the critics of the recipe "maps-short" are trained: a few large steps on top of the
discriminants, which know most of it. On the layers of the image probes on three tasks
(benchmarks/results/information/image_probes.csv) I(T;Y) is 0.002 to 0.018 nat lower than by "maps"
on average, and 0.092 nat off at most; Spearman's correlation of the two is 0.97 and more within a
task."""

MAPS_NOISE = 8.0
"""The same for feature maps, which have more units that agree
(benchmarks/results/information/noise_maps.csv, maps of 256, 512 and 1,024 units of a convolutional
network on 800 digits, three seeds): shares flagged 1.00 and 0.67 with 2, 0.67 and 0.33 with 4, 0.33
and 0.00 with 8, none with 16, which leaves 0.9 nat. Larger maps may still be flagged: take more
noise then, in a recipe of your own.
"""


ONE_PASS_OPTIONS = ("folds", "relative", "queries")
"""Options of recipes of `one_pass`: of `infoprior.information.measure_layers`."""


@dataclass(frozen=True)
class Recipe:
    """How I(T;Y) and I(X; T + sigma Z) of layers are measured.

    Numbers compare only between profiles of one recipe, measured on as many rows. A changed recipe
    therefore gets another version, and predictors say which one they were fitted on.

    Attributes:
        name: of the recipe; the key of `RECIPES` where it is one of the package's.
        version: raised whenever anything but `max_rows` changes.
        max_rows: rows used, at most; what was used is the column `n`.
        ty_method, ty_options: the arguments of `infoprior.information.estimate` for I(T;Y).
        xt_method, xt_options: the same for I(X; T + sigma Z).
        one_pass: everything is measured in one pass over each layer, by
            `infoprior.information.measure_layers`, and I(T;Y) also of training and of validation
            rows apart (`PART_COLUMNS`). The methods are then "flexible-lda" and "noisy".
    """

    name: str
    version: int
    max_rows: int = 1500
    ty_method: str = "hybrid-labels"
    ty_options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    xt_method: str = "noisy"
    xt_options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    one_pass: bool = False

    @property
    def id(self) -> str:
        """Name and version: what a profile's column `recipe` holds."""
        return f"{self.name}-{self.version}"


RECIPES: Mapping[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "tabular",
            1,
            ty_method="hybrid-labels",
            ty_options=TABULAR_CRITICS,
            xt_method="noisy",
            xt_options={"relative": RELATIVE_NOISE},
        ),
        Recipe(
            "maps",
            1,
            ty_method="hybrid-labels",
            xt_method="noisy",
            xt_options={"relative": MAPS_NOISE},
        ),
        Recipe(
            "maps-short",
            1,
            ty_method="hybrid-labels",
            ty_options=SHORT_CRITICS,
            xt_method="noisy",
            xt_options={"relative": MAPS_NOISE},
        ),
        Recipe(
            "fast",
            1,
            ty_method="flexible-lda",
            xt_method="noisy",
            xt_options={"relative": RELATIVE_NOISE, "queries": 256},
            one_pass=True,
        ),
    )
}
"""The package's recipes by name. "tabular", for layers of shape (n, width): discriminants with a
critic on top for I(T;Y). "maps", for feature maps (n, C, H, W): the same with a convolutional
critic, which reads them as they are; I(X; T + sigma Z) is of the flattened maps. "maps-short", the
same with a quarter of the cost, for probes of many tasks; it takes vectors, too. "fast", for every
network of a search: vectors (maps are flattened) at a seventh of the cost of "tabular", with I(T;Y)
of training and of validation rows apart (benchmarks/results/information/fast_recipe.md)."""


def get_recipe(name: str) -> Recipe:
    """A recipe of the package.

    Args:
        name: its name ("tabular") or its id ("tabular-1").

    Raises:
        ProfileError: this version of the package has no such recipe.
    """
    for recipe in RECIPES.values():
        if name in (recipe.name, recipe.id):
            return recipe
    known = [recipe.id for recipe in RECIPES.values()]
    raise ProfileError(
        f"This infoprior has no recipe {name!r}, it has {known}; what was measured or fitted with "
        "another one has to be made again."
    )


def recipe_for(layers: Iterable[Any]) -> Recipe:
    """The recipe for layers: "maps" if any of them is of maps, else "tabular".

    Args:
        layers: arrays or tensors of shape (n, width) or (n, C, H, W).

    Raises:
        ProfileError: a layer is no array, or has another shape.
    """
    if not isinstance(layers, Iterable):
        raise ProfileError(f"layers = {layers!r}: give a list of arrays or tensors.")
    shapes = [getattr(t, "shape", None) for t in layers]
    if None in shapes:
        raise ProfileError("The layers hold something else than arrays; give arrays or tensors.")
    dimensions = {len(shape) for shape in shapes if shape is not None}
    if not dimensions <= {2, 4}:
        raise ProfileError(
            f"Layers of {sorted(dimensions - {2, 4})} dimensions cannot be profiled; give "
            "(n, width), or feature maps (n, C, H, W)."
        )
    return RECIPES["maps" if 4 in dimensions else "tabular"]


def check_recipe(recipe: Recipe) -> Recipe:
    """The recipe, unless its profiles would pass for what they are not.

    Args:
        recipe: any.

    Raises:
        ProfileError: it has the id of one of the package's and differs from it.
    """
    if not isinstance(recipe, Recipe):
        raise ProfileError(
            f"recipe = {recipe!r}: give a Recipe, as get_recipe('tabular') returns it, or None."
        )
    instance_of(recipe.name, str, "The recipe's name", "give a text", ProfileError)
    for name in ("ty_options", "xt_options"):
        value = getattr(recipe, name)
        instance_of(value, Mapping, f"The recipe's {name}", "give a dict", ProfileError)
    if recipe.one_pass and (recipe.ty_method, recipe.xt_method) != ("flexible-lda", "noisy"):
        raise ProfileError(
            f"The recipe {recipe.id!r} measures in one pass by {recipe.ty_method!r} and "
            f"{recipe.xt_method!r}; that takes 'flexible-lda' and 'noisy', or one_pass=False."
        )
    unknown = [o for o in (*recipe.ty_options, *recipe.xt_options) if o not in ONE_PASS_OPTIONS]
    if recipe.one_pass and unknown:
        raise ProfileError(
            f"The recipe {recipe.id!r} has the unknown option {unknown[0]!r}; a recipe of one_pass "
            f"has {list(ONE_PASS_OPTIONS)}."
        )
    known = RECIPES.get(recipe.name)
    if (
        known is not None
        and recipe.id == known.id
        and replace(recipe, max_rows=known.max_rows) != known
    ):
        raise ProfileError(
            f"The recipe {recipe.id!r} differs from infoprior's own of that name; give it another "
            "name."
        )
    if type(recipe.max_rows) is not int or recipe.max_rows < 1:
        raise ProfileError(f"max_rows is {recipe.max_rows!r}; give a whole number from 1 on.")
    return recipe
