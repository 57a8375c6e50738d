"""What the command says: tables of architectures and priors, and messages of one line each."""

from __future__ import annotations

import ast
import re
import shlex
import sys
from typing import Any


def shape(task: Any) -> str:
    rows = f"{len(task.train)} + {len(task.validation)} rows, {task.n_features} inputs"
    return f"{rows}, {task.n_classes} classes"


def architectures(points: list[dict[str, Any]]) -> str:
    """Architectures as aligned columns, best first."""
    names = list(points[0])
    body = [[_number(point[name]) for name in names] for point in points]
    widths = [max(len(row[i]) for row in [names, *body]) for i in range(len(names))]
    rows = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True))
        for row in [names, *body]
    ]
    return "\nSuggested architectures, the most probable first\n" + "\n".join(rows)


def marginals(prior: Any) -> str:
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
