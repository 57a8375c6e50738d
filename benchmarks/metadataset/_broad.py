"""The tasks that the odds of the second generator are fitted on, in two rounds.

In the first everything occurs often. The second is nearer to what the first gave, so that more of
its tasks count.
"""

from __future__ import annotations

from typing import Any

from infoprior.tasks import Task
from infoprior.tasks._synthetic.generator import concept_from, task_of
from infoprior.tasks._synthetic.mix import MIX, READS, Recipe, draw_choices, draw_recipe

BROAD: dict[str, dict[Any, float]] = {
    **MIX,
    "rows": {"few": 1, "some": 1, "many": 2},
    "mechanism": {"columns": 12, "mixture": 2, "network": 1, "prototypes": 1, "trees": 1},
    "temperature": {"none": 2, "low": 2, "middle": 2, "high": 2},
    "style": {"plain": 1, "alike": 1, "warped": 1, "mixed": 2, "discrete": 1, "irregular": 2,
              "coded": 2},
    "term": {"linear": 3, "periodic": 1, "steps": 1, "trees": 1, "curves": 1, "pairs": 1,
             "network": 1},
    "view": {"measured": 1, "before the warp": 1},
    "terms": {1: 2, 2: 1, 3: 1},
    "reads": {"few": 1, "half": 1, "all": 1},
}  # fmt: skip
NARROWER: dict[str, dict[Any, float]] = {
    **BROAD,
    "rows": {"few": 1, "some": 4, "many": 5},
    "mechanism": {"columns": 12, "mixture": 1, "network": 1, "prototypes": 1, "trees": 0.5},
    "temperature": {"none": 2, "low": 3, "middle": 4, "high": 3},
    "style": {"plain": 2, "alike": 2, "warped": 2, "mixed": 3, "discrete": 3, "irregular": 2,
              "coded": 4},
    "term": {"linear": 10, "periodic": 1, "steps": 1, "trees": 1, "curves": 2, "pairs": 2,
             "network": 2},
    "view": {"measured": 1, "before the warp": 1},
    "terms": {1: 1, 2: 1, 3: 1},
    "reads": {"few": 1, "half": 2, "all": 2},
}  # fmt: skip
ROUNDS = (BROAD, NARROWER)
A_ROUND = 1000  # numbers below it are of the first round
TEST_ROWS = 2000
_FIRST = 2_000_000_000  # concepts are numbered from here on


def broad_recipe(number: int) -> Recipe:
    """The settings of "broad/<number>"."""
    return draw_recipe(_FIRST + number, ROUNDS[number // A_ROUND])


def broad_task(name: str, draw: int = 0) -> Task:
    """Task "broad/<number>"."""
    recipe = broad_recipe(int(name.removeprefix("broad/")))
    return task_of(
        concept_from(recipe), name, n_train=recipe.n_train, n_validation=recipe.n_validation,
        n_test=TEST_ROWS, draw=draw,
    )  # fmt: skip


def broad_choices(number: int) -> list[tuple[str, Any]]:
    """The settings that were picked for "broad/<number>": (name, value) of each pick."""
    chosen, _ = draw_choices(_FIRST + number, ROUNDS[number // A_ROUND])
    recipe = broad_recipe(number)
    picks = [(name, chosen[name]) for name in ("rows", "mechanism", "temperature", "style")]
    if recipe.terms:
        picks.append(("terms", len(recipe.terms)))
    for term in recipe.terms:
        reads = next(n for n, (low, high) in READS.items() if low <= term.share <= high)
        picks += [("term", term.mechanism), ("view", term.view), ("reads", reads)]
    return picks
