"""What the command says: tables of architectures and priors, and messages of one line each."""

from __future__ import annotations

import ast
import re
import shlex
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infoprior.predictors import Posterior

_LINE = 100  # characters
_FEW = 8  # values of which each is named


def shape(task: Any) -> str:
    rows = f"{len(task.train)} + {len(task.validation)} rows, {task.n_features} inputs"
    return f"{rows}, {task.n_classes} classes"


def architectures(points: list[dict[str, Any]], posterior: Posterior | None = None) -> str:
    """Architectures as aligned columns, best first, as many beside each other as a line holds.

    Args:
        points: params of each.
        posterior: that their test accuracies are expected by, if any.
    """
    if posterior is not None:
        means, (low, high) = posterior.mean(points), posterior.interval(0.8, points)
        points = [
            {"accuracy": f"{mean:.3f}", "80 % interval": f"{a:.2f}-{b:.2f}", **point}
            for mean, a, b, point in zip(means, low, high, points, strict=True)
        ]
    names = list(points[0])
    columns = [
        [str(i), *(_number(point[name]) for name in names)] for i, point in enumerate(points, 1)
    ]
    padded = [[cell.rjust(max(map(len, column))) for cell in column] for column in columns]
    heads = [f"  {name:16}" for name in ["", *names]]
    blocks: list[list[str]] = []
    for column in padded:
        joined = (
            [f"{line}  {cell}" for line, cell in zip(blocks[-1], column, strict=True)]
            if blocks
            else []
        )
        if joined and len(joined[0]) <= _LINE:
            blocks[-1] = joined
        else:
            blocks.append([f"{head}{cell}" for head, cell in zip(heads, column, strict=True)])
    text = "\n\n".join("\n".join(lines) for lines in blocks)
    accuracies = "" if posterior is None else ", with expected test accuracies"
    return f"\nSuggested architectures, the most probable first{accuracies}\n{text}"


def marginals(prior: Any) -> str:
    """Each parameter's marginal in a line: choices with probabilities, numbers with quantiles."""
    from optuna.distributions import CategoricalDistribution

    lines = ["\nMarginals of the prior (numbers: 10 %, 50 % and 90 % quantile)"]
    for name, distribution in prior.space.items():
        marginal = prior.marginal(name)
        categorical = isinstance(distribution, CategoricalDistribution)
        if marginal.probabilities is not None and (categorical or len(marginal.values) <= _FEW):
            pairs = sorted(zip(marginal.probabilities, marginal.values, strict=True),
                           key=lambda pair: -pair[0])  # fmt: skip
            said = "  ".join(f"{value} {p:.0%}" for p, value in pairs[:_FEW])
            said += f"  ({len(pairs) - _FEW} more)" if len(pairs) > _FEW else ""
        else:
            said = "  ".join(_number(marginal.quantile(q)) for q in (0.1, 0.5, 0.9))
        lines.append(f"  {name:16} {said}")
    return "\n".join(lines)


def _number(value: Any) -> str:
    from infoprior._arguments import is_real

    if not is_real(value):
        return str(value)
    return f"{value:.3g}"


def say(text: str) -> None:
    print(text, file=sys.stderr)


def one_line_warnings(show: Any) -> Any:
    """Shows infoprior's own warnings as one line each, and the others as `show` does."""

    def showwarning(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
        if category.__module__.startswith("infoprior."):
            say(f"infoprior: warning: {as_options(str(message))}")
        else:
            show(message, category, *place, **more)

    return showwarning


def text_of(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


_STRING = r"""(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")"""  # as repr() writes it
_NAMES = re.compile(rf"\b(drop|categorical)=(\[{_STRING}(?:, {_STRING})*\])")
_CHARACTER = re.compile(r"\b(separator|decimal)=('[^'\\]'|'\\t')")
_OPTION = re.compile(r"(?<!['\w])(max_categories|max_train|separator(?==))\b(?!')(=?)(?=(\d?))")


def as_options(message: str) -> str:
    """A message in one line, advised arguments written as here: drop=['a'] becomes --drop a."""

    def repeated(match: re.Match[str]) -> str:
        names = ast.literal_eval(match[2])
        return " ".join(f"--{match[1]} {shlex.quote(name)}" for name in names)

    def character(match: re.Match[str]) -> str:
        value = ast.literal_eval(match[2])
        return f"--{match[1]} {match[2] if value.isspace() else shlex.quote(value)}"

    def option(match: re.Match[str]) -> str:
        return f"--{match[1].replace('_', '-')}" + (" " if match[2] and match[3] else "")

    message = _CHARACTER.sub(character, _NAMES.sub(repeated, message))
    return " ".join(_OPTION.sub(option, message).splitlines())
