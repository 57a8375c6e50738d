"""What can be built can be saved and loaded, and is the same prior: random spaces of every kind."""

from __future__ import annotations

import enum
import math
import random
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from infoprior.priors import Prior, PriorError
from infoprior.priors._mixture.axes import make_axis
from infoprior.priors._mixture.json_file import _text


class Colour(str, enum.Enum):  # noqa: UP042, whose hash is not its text's
    RED = "red"


LIMIT = 2**53
FLOATS = (0.0, -0.0, 1.0, 0.1, 1 / 3, math.pi, 1e-300, 5e-324, 1e300, 1.7e308, -1.7e308)
INTS = (0, 1, -7, LIMIT, LIMIT - 1, -LIMIT, np.int64(5))
CHOICES: tuple[Any, ...] = (
    None, True, 0, 1, -1, 0.0, 1.0, 0.5, 1e300, 5e-324, LIMIT + 1, 2**200, "", "a", "1", "True",
    "\ud800", "\n", "𝔘", "x" * 500, Colour.RED, np.int64(7), np.float32(0.1), np.bool_(True),
)  # fmt: skip
NAMES = ("", "\n", "\ud800", "__proto__", "weight", "kernels", "é", "n" * 200, '"', "\x00", "x")


def number(r: random.Random) -> float:
    return r.choice([*FLOATS, r.uniform(-1, 1), r.gauss(0, 1) * 10.0 ** r.randint(-30, 30)])


def distribution(r: random.Random) -> BaseDistribution:
    kind = r.randrange(6)
    low, high = sorted((number(r), number(r)))
    if kind == 0:
        return FloatDistribution(low, high)
    if kind == 1:
        low, high = sorted((abs(low) or 1.0, abs(high) or 2.0))
        return FloatDistribution(low, high, log=r.choice([True, 1, np.True_]))
    if kind == 2:
        step = abs(r.choice([high, 1 / 3, 0.1, 0.001, math.pi / 8, r.random()])) or 1.0
        return FloatDistribution(low, low + step * r.choice([0, 1, 7, r.random() * 50]), step=step)
    if kind == 3:
        ints = sorted(r.choice([*INTS, r.randint(-9, 9), r.randint(-LIMIT, LIMIT)]) for _ in "ab")
        return IntDistribution(*ints, step=r.choice([1, 2, 3, r.randint(1, 2**40)]))
    if kind == 4:
        ints = sorted(r.choice([1, LIMIT, r.randint(1, 9), r.randint(1, LIMIT)]) for _ in "ab")
        return IntDistribution(*ints, log=True)
    return CategoricalDistribution(r.sample(CHOICES, r.randint(1, 4)))


def spaces(n: int) -> list[dict[str, BaseDistribution]]:
    """Spaces that Optuna allows; about half of them are no prior's."""
    result = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for seed in range(n):
            r, space = random.Random(seed), {}
            for name in r.sample(NAMES, r.randint(1, 4)):
                try:
                    space[name] = distribution(r)
                except (ValueError, ArithmeticError):
                    continue
            if space:
                result.append(space)
    return result


def check(prior: Prior, path: Path) -> None:
    prior.save(path)
    back = Prior.load(path)
    assert _text(back.to_dict()).encode() == path.read_bytes()
    assert back == prior == Prior.from_dict(prior.to_dict())
    assert hash(back) == hash(prior)
    points = prior.sample(3, 1)
    assert back.sample(3, 1) == points
    assert np.all(np.isfinite(prior.log_prob(points)))
    assert np.array_equal(back.log_prob(points), prior.log_prob(points))
    repr(prior).encode()


def narrower(space: dict[str, BaseDistribution], uniform: Prior) -> dict[str, BaseDistribution]:
    """Ranges between two of the space's own values; choices as they are."""
    one, two = uniform.sample(2, 3)
    result: dict[str, BaseDistribution] = {}
    for name, d in space.items():
        if isinstance(d, CategoricalDistribution):
            result[name] = d
        else:
            low, high = sorted((one[name], two[name]))
            whole = isinstance(d, IntDistribution)
            result[name] = (IntDistribution if whole else FloatDistribution)(low, high)
    return result


def test_random_priors_of_random_spaces_round_trip(tmp_path: Path) -> None:
    path, built = tmp_path / "prior.json", 0
    for seed, space in enumerate(spaces(60)):
        try:
            uniform = Prior.uniform(space)
        except PriorError:  # the constructor refuses, and nothing later
            continue
        built += 1
        points = uniform.sample(4, seed)
        weights = 10.0 ** np.random.default_rng(seed).integers(-300, 300, 4)
        width = random.Random(seed).choice([1e-12, 0.001, 0.15, 1.0])
        prior = Prior.from_points(space, points, weights, bandwidth=width, floor=1e-300)
        expert = Prior.from_expert(space, points, "high")
        name = next(iter(space))
        given = prior.condition({name: points[0][name]}) if len(space) > 1 else uniform
        kinds = (given, prior.restrict(narrower(space, uniform)), prior.mix(expert, 0.3))
        check(kinds[seed % 3], path)
    assert built > 30


@pytest.mark.filterwarnings("ignore")
def test_stepped_floats_without_short_decimals_keep_all_their_values() -> None:
    """Optuna's constructor takes a step off `high` each time in a third of these."""
    r = random.Random(0)
    for _ in range(300):
        low, step, n = r.uniform(-1, 1), r.random(), r.randint(1, 20)
        given = FloatDistribution(low, low + step * (n + 0.5), step=step)
        prior = Prior.uniform({"x": given})
        values = prior.marginal("x").values
        assert len(values) == n + 1
        assert (values[0], values[-1]) == (given.low, given.high)
        assert np.allclose(np.diff(values), step)
        assert Prior.from_dict(prior.to_dict()).space == prior.space == {"x": given}
        assert [make_axis("x", given).find(v) for v in values] == list(range(n + 1))


def test_metadata_keeps_every_number_and_text(tmp_path: Path) -> None:
    prior = Prior.uniform({"x": FloatDistribution(0, 1)}).with_metadata(
        big=10**300, numpy=np.int64(3), single=np.float32(0.1), minus=-0.0, text="\ud800\n"
    )
    check(prior, tmp_path / "prior.json")
    back = Prior.load(tmp_path / "prior.json").metadata
    assert back["big"] == 10**300
    assert type(back["numpy"]) is int
    assert math.copysign(1.0, back["minus"]) == -1.0  # type: ignore[arg-type]
    assert back["single"] == float(np.float32(0.1))


REFUSED: list[tuple[str, BaseDistribution]] = [
    ("which JSON does not have", CategoricalDistribution([1.0, math.inf])),
    ("which JSON does not have", CategoricalDistribution([math.nan])),
    ("beyond the largest float", CategoricalDistribution([10**400])),
    ("are equal: 1 and True", CategoricalDistribution([0.5, 1, True])),
    ("are equal: 'red' and <Colour.RED", CategoricalDistribution(["red", Colour.RED])),
    (r"ints beyond 2\*\*53", IntDistribution(0, 10**400)),
    ("finite range", FloatDistribution(-1.7e308, 1.7e308)),
    ("more than 2\\*\\*53 steps", FloatDistribution(0, 1e20, step=1.0)),
]


@pytest.mark.parametrize(("match", "refused"), REFUSED)
def test_what_a_file_cannot_hold_is_refused_by_the_constructor(
    match: str, refused: BaseDistribution
) -> None:
    with pytest.raises(PriorError, match=f"^space: parameter 'p' has .*{match}|needs.*{match}"):
        Prior.uniform({"p": refused})


def test_a_range_that_its_step_does_not_divide_is_refused() -> None:
    document = Prior.uniform({"x": FloatDistribution(0, 1, step=0.25)}).to_dict()
    document["space"]["x"]["attributes"]["high"] = 0.9
    with pytest.raises(PriorError, match=r"'x' has the range 0\.0 to 0\.9, which is not divisible"):
        Prior.from_dict(document)


# ---- size


def many(n_components: int, n_names: int, length: int = 1) -> Prior:
    names = [f"{i:03d}".ljust(length, "\ud800") for i in range(n_names)]
    kernels = {
        name: (np.full(n_components, -1 / 3e300), np.full(n_components, 1 / 3)) for name in names
    }
    space = {name: FloatDistribution(0, 1) for name in names}
    return Prior(space, kernels, np.full(n_components, 1.0 / n_components))


@pytest.mark.parametrize(
    ("components", "names", "length"), [(300, 20, 3), (50, 3, 900), (1, 40, 3)]
)
def test_a_file_is_never_larger_than_the_constructor_reckons(
    components: int, names: int, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior = many(components, names, length).with_metadata(note="é" * 50)
    size = len(_text(prior.to_dict()).encode())
    monkeypatch.setattr("infoprior.priors._mixture.json_file.MAX_BYTES", size)
    with pytest.raises(PriorError, match="its file would have up to"):
        prior.with_metadata()
    monkeypatch.setattr("infoprior.priors._mixture.json_file.MAX_BYTES", 2 * size)
    assert prior.with_metadata() == prior


def test_as_many_components_as_there_may_be_can_be_saved_on_fifty_parameters() -> None:
    space = {f"parameter_{i}": FloatDistribution(0, 1) for i in range(50)}
    kernels = {name: (np.full(10_000, 0.5), np.ones(10_000)) for name in space}
    assert Prior(space, kernels, np.full(10_000, 1e-4)).n_components == 10_000


def test_what_would_be_too_large_is_refused_before_it_is_saved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("infoprior.priors._mixture.json_file.MAX_BYTES", 10**6)
    with pytest.raises(PriorError, match="its file would have up to"):
        many(2_000, 3, 40)
    with pytest.raises(PriorError, match="its file would have up to"):
        Prior.uniform({"c": CategoricalDistribution(["x" * 10**6])})
    with pytest.raises(PriorError, match="its file would have up to"):
        Prior.uniform({"x": FloatDistribution(0, 1)}).with_metadata(text="x" * 10**6)


FLOAT = '{"name":"FloatDistribution","attributes":{"high":1.0,"log":false,"low":0.0,"step":null}}'
CHOICE = '{"name":"CategoricalDistribution","attributes":{"choices":[%s]}}'
HEAD = '"format":"infoprior.prior","version":1'
PRIOR = "{" + HEAD + ',"space":{%s},"floor":1.0,"components":[%s],"metadata":{}}'
KEYS = ",".join(f'"k{i}":0' for i in range(60_000))
HASHES = ",".join(str((2**61 - 1) * i) for i in range(1, 20_000))
LONG = "n" * 500_000


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{" + KEYS + ',"k59999":1}', "'k59999' is there"),
        ("{" + HEAD + "," + KEYS + "}", "unknown: .*and 59992 more"),
        # Ints of one hash, which make a dict's look-up linear.
        (PRIOR % ('"c":' + CHOICE % HASHES, "1"), r"components\[0\]: needs an object"),
        # A name that would be in the message of each number.
        (
            PRIOR
            % (
                f'"{LONG}":' + CHOICE % ",".join(map(str, range(50_000))),
                f'{{"weight":1,"kernels":{{"{LONG}":{{"probabilities":[{"0," * 49_999}true]}}}}}}',
            ),
            "probabilities: needs a number, got True",
        ),
        (PRIOR % (f'"{LONG}":{FLOAT}', "{}," * 9_999 + "{}"), r"components\[0\]: keys missing"),
        ("[" + ",".join(["7" * 4_000] * 100) + "]", "document: needs an object"),
        ('{"format":"' + "x" * 10**6 + '"}', "^format: needs 'infoprior.prior', got 'xx"),
        ('{"format":' + "1" * 10**6 + "}", "is not JSON"),
    ],
    ids=["twice", "unknown", "hashes", "name", "components", "ints", "text", "digits"],
)  # fmt: skip
def test_small_files_are_refused_at_once_and_in_few_words(
    text: str, match: str, tmp_path: Path
) -> None:
    path = tmp_path / "prior.json"
    path.write_text(text)
    start = time.process_time()
    with pytest.raises(PriorError, match=match) as caught:
        Prior.load(path)
    assert time.process_time() - start < 2.0
    assert len(str(caught.value)) < 1000
