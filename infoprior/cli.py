"""The `infoprior` command. Heavy packages are imported by the command that needs them."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(
    name="infoprior",
    help="Architectures to try first on your data, from the mutual information of small networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

DATA = Annotated[Path, typer.Argument(help="A CSV or parquet file, one row an example.")]
TARGET = Annotated[str, typer.Option("--target", "-y", help="The column to predict.")]
DROP = Annotated[list[str] | None, typer.Option("--drop", help="A column to leave out (repeat).")]
CATEGORICAL = Annotated[
    list[str] | None, typer.Option("--categorical", help="A column of codes, not amounts (repeat).")
]
MAX_CATEGORIES = Annotated[int, typer.Option(help="Most values of a one-hot encoded column.")]
SEED = Annotated[int, typer.Option(help="Of the splits, the probes and the draw.")]
MAX_TRAIN = Annotated[int, typer.Option(help="Training rows, at most; the rest is left aside.")]
MODELS = Annotated[Path, typer.Option(help="Folder of fitted predictors, or of one.")]


@app.callback()
def _about() -> None:
    """Architectures to try first on your data, from the mutual information of small networks."""


@app.command()
def suggest(
    data: DATA,
    target: TARGET,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the prior there, as JSON.")
    ] = None,
    n: Annotated[int, typer.Option("--n", help="How many architectures to print.")] = 10,
    models: MODELS = Path("models"),
    drop: DROP = None,
    categorical: CATEGORICAL = None,
    max_categories: MAX_CATEGORIES = 50,
    seed: SEED = 0,
    max_train: MAX_TRAIN = 2000,
) -> None:
    """Train the probes on your data, profile them, and print what the predictor suggests.

    The prior file goes into a search: PriorSampler(Prior.load("prior.json")).
    """
    from infoprior._face import suggest as run
    from infoprior.predictors import load_predictor

    predictor = load_predictor(models)
    task = _read(data, target, drop, categorical, max_categories, seed, max_train)
    _say(f"{task.name}: {_shape(task)}. Training and profiling the probes ...")
    found = run(task, predictor, n=n, seed=seed)
    print(_table(found.architectures))
    print(_marginals(found.prior))
    if out is not None:
        found.prior.save(out)
        _say(f'Prior written to {out}: PriorSampler(Prior.load("{out}")) samples from it.')


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
    seed: SEED = 0,
    max_train: MAX_TRAIN = 2000,
) -> None:
    """Print the information profile of the probes on your data, in nats."""
    from infoprior._face import profile as run
    from infoprior.parallel import write_atomically

    task = _read(data, target, drop, categorical, max_categories, seed, max_train)
    _say(f"{task.name}: {_shape(task)}. Training and profiling the probes ...")
    rows = run(task, seed=seed)
    columns = ["architecture", "layer", "width", "n", "mi_xt", "mi_ty", "h_y", "flags"]
    print(rows[columns].to_string(index=False, float_format=lambda v: f"{v:.3f}"))
    if out is not None:
        write_atomically(out, rows.to_csv(index=False))
        _say(f"All columns written to {out}.")


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
    seed: int,
    max_train: int,
) -> Any:
    from infoprior.tasks import read_table

    return read_table(
        data,
        target,
        seed=seed,
        drop=drop or [],
        categorical=categorical or [],
        max_categories=max_categories,
        max_train=max_train,
    )


def _shape(task: Any) -> str:
    rows = f"{len(task.train)} + {len(task.validation)} rows, {task.n_features} inputs"
    return f"{rows}, {task.n_classes} classes"


def _table(points: list[dict[str, Any]]) -> str:
    """Architectures as aligned columns, best first."""
    names = list(points[0])
    body = [[_number(point[name]) for name in names] for point in points]
    widths = [max(len(row[i]) for row in [names, *body]) for i in range(len(names))]
    rows = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in [names, *body]
    ]
    return "\nSuggested architectures, the most probable first\n" + "\n".join(rows)


def _marginals(prior: Any) -> str:
    """Each parameter's marginal in a line: choices with probabilities, numbers with quantiles."""
    lines = ["\nMarginals of the prior (numbers: 10 %, 50 % and 90 % quantile)"]
    for name in prior.space:
        marginal = prior.marginal(name)
        if marginal.probabilities is not None and len(marginal.values) <= 6:
            pairs = sorted(zip(marginal.probabilities, marginal.values, strict=True),
                           key=lambda pair: -pair[0])  # fmt: skip
            said = "  ".join(f"{value} {p:.0%}" for p, value in pairs)
        else:
            said = "  ".join(_number(marginal.quantile(q)) for q in (0.1, 0.5, 0.9))
        lines.append(f"  {name:16} {said}")
    return "\n".join(lines)


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:.3g}"


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def main() -> None:
    """Entry point: user errors end with one line and exit code 2, not with a traceback."""
    try:
        app()
    except (ValueError, FileNotFoundError, ImportError, json.JSONDecodeError) as error:
        _say(f"infoprior: {_as_options(str(error))}")
        sys.exit(2)


def _as_options(message: str) -> str:
    """Arguments that a message advises, written as they are given here: drop=['a'] -> --drop a."""

    def repeated(match: re.Match[str]) -> str:
        names = re.findall(r"'([^']*)'", match[2])
        return " ".join(f"--{match[1]} {shlex.quote(name)}" for name in names)

    message = re.sub(r"\b(drop|categorical)=\[(.*?)\]", repeated, message)
    return re.sub(r"\bmax_categories\b", "--max-categories", message)


if __name__ == "__main__":
    main()
