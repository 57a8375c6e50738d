"""The `infoprior` command. Heavy packages are imported by the command that needs them."""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer

from infoprior._command import (
    architectures,
    as_options,
    marginals,
    one_line_warnings,
    say,
    shape,
    text_of,
)

app = typer.Typer(
    name="infoprior",
    help="Architectures to try first on your data, from the mutual information of small networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _separator(value: str | None) -> str | None:
    """One character; a tab may be written as in most programs, since shells make it hard."""
    value = "\t" if value in ("\\t", "tab") else value
    if value is not None and (len(value) != 1 or value in '"\r\n'):
        raise typer.BadParameter(f"{value!r}: give one character, such as ';' or '\\t' (a tab)")
    return value


def _decimal(value: str | None) -> str | None:
    if value not in (None, ".", ","):
        raise typer.BadParameter(f"{value!r}: give '.' or ','")
    return value


DATA = Annotated[Path, typer.Argument(help="A CSV or parquet file, one row an example.")]
TARGET = Annotated[str, typer.Option("--target", "-y", help="The column to predict.")]
DROP = Annotated[list[str] | None, typer.Option("--drop", help="A column to leave out (repeat).")]
CATEGORICAL = Annotated[
    list[str] | None, typer.Option("--categorical", help="A column of codes, not amounts (repeat).")
]
MAX_CATEGORIES = Annotated[int, typer.Option(help="Most values of a one-hot encoded column.")]
SEPARATOR = Annotated[
    str | None,
    typer.Option(
        callback=_separator, help="Of a CSV's columns; detected in its first lines if left."
    ),
]
DECIMAL = Annotated[
    str | None,
    typer.Option(
        callback=_decimal,
        help="Decimal mark of numbers written as texts, '.' or ','; decided by a column's values "
        "if left.",
    ),
]
SEED = Annotated[int, typer.Option(min=0, help="Of the splits, the probes and the draw.")]
PROGRESS = Annotated[bool, typer.Option(help="Show on the terminal what is done.")]
MODELS = Annotated[
    Path | None,
    typer.Option(
        help="Folder of fitted predictors, or of one.",
        show_default="the predictor that comes with infoprior",
    ),
]


def _version(asked: bool) -> None:
    if asked:
        from infoprior import __version__

        print(f"infoprior {__version__}")
        raise typer.Exit


@app.callback()
def _about(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print it, and end."),
    ] = False,
) -> None:
    """Architectures to try first on your data, from the mutual information of small networks."""


@app.command()
def suggest(
    data: Annotated[
        Path | None,
        typer.Argument(help="A CSV or parquet file, one row an example.", show_default=False),
    ] = None,
    target: Annotated[
        str | None,
        typer.Option("--target", "-y", help="The column to predict.", show_default=False),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the prior there, as JSON.")
    ] = None,
    n: Annotated[int, typer.Option("--n", min=1, help="How many architectures to print.")] = 10,
    static: Annotated[
        bool,
        typer.Option(
            "--static", help="What is good on average over many data sets: at once, without data."
        ),
    ] = False,
    models: MODELS = None,
    drop: DROP = None,
    categorical: CATEGORICAL = None,
    max_categories: MAX_CATEGORIES = 50,
    separator: SEPARATOR = None,
    decimal: DECIMAL = None,
    seed: SEED = 0,
    max_train: Annotated[
        int | None,
        typer.Option(
            min=10, show_default="as the predictor's training tasks", help="Training rows, at most."
        ),
    ] = None,
    progress: PROGRESS = True,
) -> None:
    """Read what your data say of themselves, and print what the predictor suggests.

    The prior file goes into a search: PriorSampler(Prior.load("prior.json")).
    """
    _check_out(out)
    from infoprior._api import suggest_for_prepared
    from infoprior.predictors import load_predictor

    if static and models is not None:
        raise ValueError("--static: is infoprior's own predictor; leave out --models")
    predictor = load_predictor(models, static=static)
    task = None
    if predictor.inputs:
        if data is None or target is None:
            missing = "DATA" if data is None else "--target"
            raise ValueError(
                f"{missing}: is missing; give a table and --target COLUMN, or --static for the "
                "prior that is the same for every data set"
            )
        task = _read(
            data,
            target,
            drop,
            categorical,
            max_categories,
            separator,
            decimal,
            seed,
            max_train,
            progress,
        )
        task = _as_profiled(task, predictor, max_train, seed)
    elif data is not None:
        say(f"This predictor says the same of every data set: {data} is not read.")
    suggestion = suggest_for_prepared(task, predictor, n=n, seed=seed, progress=progress)
    print(architectures(suggestion.architectures, suggestion.posterior))
    print(marginals(suggestion.prior))
    if out is not None:
        suggestion.prior.save(out)
        say(f'Prior written to {out}: PriorSampler(Prior.load("{out}")) samples from it.')


def _as_profiled(task: Any, predictor: Any, max_train: int | None, seed: int) -> Any:
    """The task as the predictor's training tasks were, said aloud."""
    from infoprior._api import as_profiled

    most = predictor.profiled.train
    if max_train is not None and len(task.train) > most:
        say(
            f"infoprior: warning: --max-train {max_train} is more than the {most} rows that the "
            f"predictor's training tasks had at most; {most} are used."
        )
    task = as_profiled(task, predictor, seed=seed)
    doing = "Training and profiling the probes" if predictor.needs_probes else "Reading the inputs"
    say(f"{task.name}: {shape(task)}. {doing} ...")
    return task


@app.command()
def fit(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write the predictor to.")],
    rows: Annotated[
        list[Path] | None,
        typer.Option(
            help="Folder of a meta-dataset of your own, as the pipeline leaves in "
            "data/metadataset (repeat)."
        ),
    ] = None,
    published: Annotated[bool, typer.Option(help="Learn from the published rows, too.")] = True,
    predictor: Annotated[
        str, typer.Option(help="performance, network, trees, nearest, static, gaussian or uniform.")
    ] = "network",
    inputs: Annotated[
        str,
        typer.Option(
            help="What it reads: all, data, mi, inputs, accuracy, meta-features or nothing."
        ),
    ] = "all",
    space: Annotated[
        str | None,
        typer.Option(
            help="Whose published rows: mlp, tabular, thesis or cnn.",
            show_default="that of --rows, or tabular",
        ),
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Lower: a more peaked prior.", show_default="0.2")
    ] = None,
    bandwidth: Annotated[
        float | None, typer.Option(help="Of the prior's kernels.", show_default="0.15")
    ] = None,
    floor: Annotated[
        float | None, typer.Option(help="The prior's uniform share.", show_default="0.1")
    ] = None,
    real_weight: Annotated[
        float | None,
        typer.Option(help="Of a real task against another one.", show_default="16"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the fit.")] = 0,
) -> None:
    """Fit a predictor on the published rows, and on rows of your own.

    The folder goes into: infoprior suggest data.csv --target y --models FOLDER.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out {out}: is a file; name a folder")
    if not published and not rows:
        raise ValueError("--no-published: then give rows of your own, with --rows FOLDER")
    from infoprior.metadataset import MetaDataset
    from infoprior.predictors import fit_predictor

    given = {
        "temperature": temperature,
        "bandwidth": bandwidth,
        "floor": floor,
        "real_weight": real_weight,
    }
    settings = {name: value for name, value in given.items() if value is not None}
    own = [MetaDataset.load(folder) for folder in rows or []]
    fitted = fit_predictor(
        predictor, inputs, rows=own, published=published, space=space, seed=seed, **settings
    )
    fitted.save(out)
    reads = ", ".join(fitted.inputs) or "nothing"
    print(f"Predictor {fitted.name}, which reads {reads} of a task: written to {out}")


@app.command()
def profile(
    data: DATA,
    target: TARGET,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write all columns there, as CSV.")
    ] = None,
    drop: DROP = None,
    categorical: CATEGORICAL = None,
    max_categories: MAX_CATEGORIES = 50,
    separator: SEPARATOR = None,
    decimal: DECIMAL = None,
    seed: SEED = 0,
    max_train: Annotated[int, typer.Option(min=10, help="Training rows, at most.")] = 2000,
    progress: PROGRESS = True,
) -> None:
    """Print the information profile of the probes on your data, in nats.

    mi_xt is I(X; T + sigma Z) of a layer T with Gaussian noise of the sigma beside it, mi_ty is
    I(T;Y), h_y is H(Y), the most that mi_ty can be.
    """
    _check_out(out)
    from infoprior.files import write_atomically
    from infoprior.profiles import profile_task

    task = _read(
        data,
        target,
        drop,
        categorical,
        max_categories,
        separator,
        decimal,
        seed,
        max_train,
        progress,
    )
    say(f"{task.name}: {shape(task)}. Training and profiling the probes ...")
    rows = profile_task(task, seed=seed, progress=progress).layers
    columns = ["architecture", "layer", "width", "n", "mi_xt", "sigma", "mi_ty", "h_y", "flags"]
    print(rows[columns].to_string(index=False, float_format=lambda v: f"{v:.3f}"))
    if out is not None:
        write_atomically(out, rows.to_csv(index=False))
        say(f"All columns written to {out}.")


@app.command()
def tasks() -> None:
    """List the packaged data sets."""
    from infoprior.tasks import catalogue

    for info in catalogue():
        print(f"{info.name:32} {info.kind:11} family {info.family:24} {info.source}")


def _read(
    data: Path,
    target: str,
    drop: list[str] | None,
    categorical: list[str] | None,
    max_categories: int,
    separator: str | None,
    decimal: str | None,
    seed: int,
    max_train: int | None,
    progress: bool,
) -> Any:
    """The task of the user's table; a ValueError where it is too small to be profiled."""
    from infoprior._api import check_rows
    from infoprior.tasks import read_table

    task = read_table(
        data,
        target,
        seed=seed,
        drop=drop or [],
        categorical=categorical or [],
        max_categories=max_categories,
        separator=separator,
        decimal=decimal,
        max_train=max_train,
        progress=progress,
    )
    remedy = "give a table with more"
    if max_train is not None and len(task.train) >= max_train:
        remedy += ", or raise max_train"
    check_rows(task, str(data), remedy)
    return task


def _check_out(out: Path | None) -> None:
    """Refuse a place that cannot be written to, before minutes are spent on what goes there.

    Raises:
        ValueError: it is a folder, its parent is none, or nothing can be written there.
    """
    if out is None:
        return
    if out.is_dir():
        raise ValueError(f"--out {out}: is a folder; name a file in it")
    if not out.parent.exists():
        raise ValueError(f"--out {out}: the folder {out.parent} does not exist; make it first")
    if not out.parent.is_dir():
        raise ValueError(f"--out {out}: {out.parent} is not a folder; name a file in a folder")
    try:
        # Permissions do not tell all (a read-only or full disk); a file without a name does.
        with tempfile.TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise ValueError(
            f"--out {out}: the folder {out.parent} cannot be written to ({error.strerror}); "
            "name another"
        ) from error


def main() -> None:
    """Entry point: user errors end with one line and exit code 2, not with a traceback."""
    try:
        with warnings.catch_warnings():
            warnings.showwarning = one_line_warnings(warnings.showwarning)
            app()
    except (ValueError, OSError, ImportError) as error:
        say(f"infoprior: {as_options(text_of(error))}")
        sys.exit(2)


if __name__ == "__main__":
    main()
