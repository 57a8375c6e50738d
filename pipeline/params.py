"""params.yaml as DVC reads it, and what each of its settings may be.

DVC reads YAML 1.2, in which 2e-1 is a number, and `yes`, `010` and `1:30` are text, 10 and text;
in YAML 1.1 they are text, True, 8 and 90. Stages that read another value than DVC shows in
`dvc params diff` would be wrong without a word, so both read with the same library.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

FILE = "params.yaml"
LARGEST_SEED = 2**31 - 1

Rule = Callable[[Any], Any]
"""Takes a setting's value and returns it; raises `_Wrong` where it cannot be."""


class _Wrong(Exception):
    """What is wrong with a setting: the rest of a sentence that begins with its name."""

    def __init__(self, what: str, below: str = "") -> None:
        super().__init__(what)
        self.below = below  # ".temperature", "[2]": where in the setting


def whole(low: int = 0, high: float = math.inf) -> Rule:
    """A whole number from low to high; 1e3 is one, too."""
    bounds = f"from {low} on" if high == math.inf else f"from {low} to {high}"

    def check(value: Any) -> Any:
        whole_number = _is_number(value) and float(value).is_integer() and low <= value <= high
        return int(value) if whole_number else _refuse(value, f"a whole number {bounds}")

    return check


def number(low: float = -math.inf, high: float = math.inf, *, above: bool = False) -> Rule:
    """A finite number from low (with `above`: above it) to high."""
    bounds = f"{'above' if above else 'from'} {low:g}" if low > -math.inf else ""
    bounds += f" to {high:g}" if high < math.inf else "" if above else " on"

    def check(value: Any) -> Any:
        inside = _is_number(value) and low <= value <= high and not (above and value == low)
        return value if inside else _refuse(value, f"a number {bounds}")

    return check


def text(value: Any) -> Any:
    """Text that is not empty."""
    return value if isinstance(value, str) and value.strip() else _refuse(value, "text")


def flag(value: Any) -> Any:
    """true or false."""
    return value if isinstance(value, bool) else _refuse(value, "true or false")


def one_of(choices: Callable[[], Collection[str]]) -> Rule:
    """One of these names, which are looked up when they are needed."""

    def check(value: Any) -> Any:
        if isinstance(value, str) and value in choices():
            return value
        return _refuse(value, f"one of {', '.join(choices())}{_near(value, choices())}")

    return check


def many(rule: Rule, least: int = 0) -> Rule:
    """A list of at least so many different values."""

    def check(value: Any) -> Any:
        if not isinstance(value, list):
            return _refuse(value, "a list, as [a, b]")
        if len(value) < least:
            raise _Wrong(f"has to hold at least {least} value{'s' * (least > 1)}")
        checked = [_inside(f"[{i}]", rule, item) for i, item in enumerate(value)]
        if twice := [item for i, item in enumerate(checked) if item in checked[:i]]:
            raise _Wrong(f"holds {twice[0]!r} twice")
        return checked

    return check


def optional(rule: Rule) -> Rule:
    """Whatever the rule takes, or nothing."""
    return lambda value: None if value is None else rule(value)


def named(rules: Mapping[str, Rule], needed: Collection[str] = ()) -> Rule:
    """Settings of these names, each of its own rule; those that are needed have to be there."""

    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            return _refuse(value, f"settings by name: {', '.join(rules)}")
        for name in value:
            if name not in rules:
                raise _Wrong(f"is no setting{_near(name, rules) or _known(rules)}", f".{name}")
        if lacking := [name for name in needed if name not in value]:
            raise _Wrong("is missing", f".{lacking[0]}")
        return {name: _inside(f".{name}", rules[name], item) for name, item in value.items()}

    return check


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _refuse(value: Any, wanted: str) -> Any:
    shown = "is empty;" if value is None else f"= {value!r};"
    raise _Wrong(f"{shown} it has to be {wanted}")


def _inside(below: str, rule: Rule, value: Any) -> Any:
    try:
        return rule(value)
    except _Wrong as error:
        raise _Wrong(str(error), below + error.below) from None


def _near(name: Any, names: Collection[str]) -> str:
    near = difflib.get_close_matches(str(name), [*names], n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _known(names: Collection[str]) -> str:
    return f"; there are {', '.join(names)}"


def _table(value: Any) -> Any:
    path, colon, column = text(value).rpartition(":")
    return value if path and colon and column else _refuse(value, "<path>:<column of labels>")


def _power_of_three(value: Any) -> Any:
    epochs, power = whole(1)(value), 1
    while power < epochs:
        power *= 3
    wanted = "a power of 3, as Hyperband's rungs are (1, 3, 9, 27)"
    return epochs if power == epochs else _refuse(value, wanted)


def _prior_settings(value: Any) -> Any:
    """The bounds are those of the predictors' own settings."""
    from dataclasses import fields

    from infoprior.predictors import PredictorError, PriorSettings

    names = {field.name: lambda item: item for field in fields(PriorSettings)}
    settings = named(names)(value)
    for name, item in settings.items():
        if item is None:
            _inside(f".{name}", lambda empty: _refuse(empty, "a number"), item)
    try:
        PriorSettings(**settings)
    except PredictorError as error:
        name, _, what = str(error).partition(" ")
        raise _Wrong(what.rstrip("."), f".{name}") from None
    return settings


def _learned() -> list[str]:
    from infoprior.predictors import PREDICTORS
    from pipeline.variants import WITHOUT_INPUTS

    return [name for name in PREDICTORS if name not in WITHOUT_INPUTS]


def _baselines() -> tuple[str, ...]:
    from pipeline.variants import WITHOUT_INPUTS

    return WITHOUT_INPUTS


def _inputs() -> list[str]:
    from infoprior.predictors import INPUTS
    from pipeline.variants import CONTROL, INFORMED

    return [*INPUTS, *(f"{name}{CONTROL}" for name in INFORMED)]


# What settings of a section have to be together ------------------------------------------------


def _predictors(section: Mapping[str, Any]) -> None:
    from pipeline.variants import CONTROL, INFORMED

    for name in ("uniform", "static"):
        if name not in section["baselines"]:
            raise _Wrong(f"has to hold {name!r}: others are compared with it", ".baselines")
    inputs = section["inputs"]
    reading = [name for name in inputs if name in INFORMED]
    for name in reading or ["mi"]:
        for wanted in (name, f"{name}{CONTROL}"):
            if wanted not in inputs:
                raise _Wrong(f"has to hold {wanted!r}: MI is judged against its control", ".inputs")


def _evaluation(section: Mapping[str, Any]) -> None:
    _inside(".select", one_of(lambda: [f"regret_at_{k}" for k in section["ks"]]), section["select"])


def _hyperband(section: Mapping[str, Any]) -> None:
    _inside(".live_budget", number(min(section["budgets"])), section["live_budget"])


# What each section holds -------------------------------------------------------------------------


def _spaces() -> Collection[str]:
    from infoprior.spaces import SPACES

    return SPACES


def _recipes() -> Collection[str]:
    from infoprior.profiles import RECIPES

    return RECIPES


_SEED, _COUNT, _SOME = whole(0, LARGEST_SEED), whole(0), whole(1)
_KINDS = ("real", "enumerated", "synthetic")

_COSTS = ("accuracy", "metafeatures", "mi", "inputs")

SECTIONS: dict[str, dict[str, Rule]] = {
    "parallel": {
        "workers": whole(0),
        "engine": optional(one_of(lambda: ("local", "dask", "ray"))),
        "address": optional(text),
    },
    "published": {
        "synthetic": _COUNT,
        "exclude": many(text),
        "min_rows": _COUNT,
        "shared": _SOME,
        "own": _COUNT,
        "thesis": _COUNT,
        "cnn": _COUNT,
        "tabular": _SOME,
        "tabular_synthetic": _COUNT,
        "draws": _SOME,
        "epochs": _SOME,
        "max_rows": _SOME,
    },
    "tasks": {
        "tables": many(_table),
        "kinds": many(one_of(lambda: _KINDS)),
        "one_per_family": flag,
        "min_rows": _COUNT,
        "exclude": many(text),
        "limit": _COUNT,
        "synthetic": _COUNT,
        "synthetic_from": _COUNT,
        "seed": _SEED,
        "max_train": _SOME,
        "max_validation": _SOME,
        "max_test": _SOME,
    },
    "networks": {
        "space": one_of(_spaces),
        "architectures": _SOME,
        "seeds": _SOME,
        "seed": _SEED,
        "epochs": _power_of_three,
    },
    "profiles": {
        "seed": _SEED,
        "epochs": _SOME,
        "recipe": one_of(_recipes),
        "max_rows": _SOME,
    },
    "metadataset": {"published": flag, "synthetic": _COUNT},
    "predictors": {
        "baselines": many(one_of(_baselines), 1),
        "learned": many(one_of(_learned), 1),
        "inputs": many(one_of(_inputs), 1),
        "shuffles": _SOME,
        "folds": whole(2),
        "test_fraction": number(0.0, 0.99, above=True),
        "seed": _SEED,
        "settings": _prior_settings,
    },
    "evaluation": {
        "ks": many(_SOME, 1),
        "select": text,
        "draws": _SOME,
        "min_gap": number(0.0),
        "seed": _SEED,
    },
    "hyperband": {
        "seeds": _SOME,
        "budgets": many(number(0.0, above=True), 1),
        "costs": named({name: number(0.0) for name in _COSTS}, _COSTS),
        "min_gap": number(0.0),
        "live_tasks": _SOME,
        "live_seeds": _SOME,
        "live_budget": number(0.0, above=True),
        "weight": number(0.0, 1.0),
        "seed": _SEED,
    },
    "strategies": {
        "tasks": _SOME,
        "seeds": _SOME,
        "budgets": many(number(0.0, above=True), 1),
    },
    "track": {"experiment": text, "model": text, "alias": text},
}
"""Settings by section. A new one needs a rule here."""

_TOGETHER: dict[str, Callable[[Mapping[str, Any]], None]] = {
    "predictors": _predictors,
    "evaluation": _evaluation,
    "hyperband": _hyperband,
}


class Section(dict[str, Any]):
    """The settings of a section; one that is missing ends the stage when it is asked for."""

    def __init__(self, name: str, settings: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self.name = name

    def __missing__(self, setting: str) -> Any:
        raise SystemExit(f"{FILE}: {self.name}.{setting} is missing.")


def read_params(section: str, *, whole: bool = False) -> Section:
    """A section of params.yaml, checked.

    Args:
        section: its name.
        whole: every setting has to be there, and what several settings have to be together is
            checked, too: for what hands the section on to worker processes.

    Raises:
        SystemExit: there is no params.yaml here, it cannot be read, it has no such section, or a
            setting is missing, unknown, or not what it has to be; one sentence that names it.
    """
    sections = read_file()
    if section not in sections:
        near = _near(section, [name for name in sections if name not in SECTIONS])
        raise SystemExit(f"{FILE} has no section {section!r}, which this stage reads{near}.")
    rules = SECTIONS[section]
    try:
        settings = named(rules, rules if whole else ())(sections[section])
        if whole and section in _TOGETHER:
            _TOGETHER[section](settings)
    except _Wrong as error:
        end = "" if str(error).endswith("?") else "."
        raise SystemExit(f"{FILE}: {section}{error.below} {error}{end}") from None
    return Section(section, settings)


def read_file() -> dict[str, Any]:
    """All sections of params.yaml as they stand, unchecked.

    Raises:
        SystemExit: there is no params.yaml here, or it cannot be read.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    path = Path(FILE)
    try:
        written = path.read_text("utf-8")
    except FileNotFoundError:
        raise SystemExit(f"No {FILE} here: run the stages from the project's top folder.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"{FILE} cannot be read: {error}.") from None
    try:
        sections = YAML(typ="safe").load(written)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line = "" if mark is None else f", line {mark.line + 1}"
        raise SystemExit(f"{FILE}{line}: {error.problem or error.context}.") from None
    except (YAMLError, ValueError) as error:
        what = " ".join(str(error).split())
        raise SystemExit(f"{FILE} cannot be read: {what}.") from None
    if not isinstance(sections, dict):
        raise SystemExit(f"{FILE} holds no sections, as 'networks:' with settings below it.")
    return sections
