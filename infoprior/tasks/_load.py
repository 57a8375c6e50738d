"""`load_task`: any task by its name."""

from __future__ import annotations

from infoprior._ambient import default_settings
from infoprior._progress import shows_progress
from infoprior.tasks._arguments import check_seed, check_text
from infoprior.tasks._split import Caps
from infoprior.tasks._synthetic import GENERATORS
from infoprior.tasks._task import Task, TaskError

_MOST_DIGITS = 18


@default_settings()
@shows_progress("loading the task")
def load_task(
    name: str,
    *,
    seed: int = 0,
    max_train: int | None = None,
    max_validation: int | None = None,
    max_test: int | None = None,
    progress: bool = True,
) -> Task:
    """The task of that name, split 60/20/20 and stratified by class; equal rows stay in one part.

    Args:
        name: one of `catalogue()` or `image_catalogue()`, "synthetic/<index>",
            "synthetic2/<index>", "openml/<data set id>", or images: "mnist/<classes>/<side>",
            "digits-image/<classes>/<side>" (such as "mnist/49/14"), "torchvision/<data set>" and
            "torchvision/<data set>/<side>".
        seed: of the split; of a synthetic task also of its rows.
        max_train: training rows, at most: a subsample stratified by class.
        max_validation: validation rows, at most.
        max_test: test rows, at most.
        progress: show on the terminal that it loads, if it takes more than two seconds.

    Returns:
        the task.

    Raises:
        TaskError: (a ValueError) an unknown name, a missing package, a seed that is no whole
            number, or fewer rows than there are classes.
    """
    check_text("name", name, "the name of a task (a text)")
    check_seed(seed)
    caps = Caps(max_train, max_validation, max_test)
    prefix, _, rest = name.partition("/")
    if prefix in GENERATORS:
        from infoprior.tasks._synthetic.generator import TEST_ROWS, recipe, synthetic_task

        index = _number(name, rest)
        own = recipe(index, prefix)
        return synthetic_task(
            index,
            seed=seed,
            n_train=min(own.n_train, max_train or own.n_train),
            n_validation=min(own.n_validation, max_validation or own.n_validation),
            n_test=min(TEST_ROWS, max_test or TEST_ROWS),
            generator=prefix,
        )
    if prefix == "openml":
        from infoprior.tasks._openml import load_openml

        return load_openml(_number(name, rest), seed=seed, caps=caps)
    if prefix == "torchvision":
        from infoprior.tasks._torchvision import load_torchvision

        return load_torchvision(name, seed=seed, caps=caps)
    if prefix in ("mnist", "digits-image"):
        from infoprior.tasks._images import load_images

        return load_images(name, seed=seed, caps=caps)
    from infoprior.tasks._packaged.catalogue import load_packaged

    return load_packaged(name, seed=seed, caps=caps)


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS:
        raise TaskError(
            f"no task {name[:60]!r}; what follows the slash must be a whole number of at most "
            f"{_MOST_DIGITS} digits"
        )
    return int(text)
