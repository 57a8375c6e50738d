"""Search spaces: points, encodings and the networks that they build."""

import hashlib
import math

import numpy as np
import optuna
import pytest
import torch
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from infoprior.spaces import SPACES, SearchSpace, SpaceError, get_space

POINT = {
    "depth": 3,
    "width": 64,
    "shape": "funnel",
    "activation": "relu",
    "normalization": "batch",
    "dropout": 0.2,
    "residual": True,
    "learning_rate": 1e-3,
    "weight_decay": 1e-4,
    "batch_size": 64,
}


@pytest.mark.parametrize("name", sorted(SPACES))
def test_sampled_points_lie_in_their_distributions(name):
    space = get_space(name)
    for point in [*space.sample(200, np.random.default_rng(0)), *space.design(100, seed=1)]:
        assert space.validate(point) == point
        for key, distribution in space.items():
            assert distribution._contains(distribution.to_internal_repr(point[key]))
            assert type(point[key]) in (int, float, str, bool)


def test_uniform_unit_cube_gives_optunas_uniform():
    """Every value of a discrete parameter is as likely as it is for Optuna's random sampler."""
    space = SearchSpace(
        "t",
        {"i": IntDistribution(1, 5), "s": IntDistribution(10, 120, step=5),
         "l": IntDistribution(16, 256, log=True), "f": FloatDistribution(0.0, 1.0, step=0.25),
         "c": CategoricalDistribution(("a", "b", "c"))},
    )  # fmt: skip
    n = 40_000
    points = space.sample(n, np.random.default_rng(0))
    for name, levels in [("i", 5), ("s", 23), ("f", 5), ("c", 3)]:
        _, counts = np.unique([p[name] for p in points], return_counts=True)
        assert len(counts) == levels
        assert np.allclose(counts / n, 1 / levels, atol=4 * math.sqrt(1 / levels / n))
    small = np.mean([p["l"] <= 64 for p in points])
    truth = math.log(64.5 / 15.5) / math.log(256.5 / 15.5)
    assert small == pytest.approx(truth, abs=4 * math.sqrt(0.25 / n))


def test_design_is_the_same_every_time_and_a_prefix_of_a_longer_one():
    space = get_space("mlp")
    assert space.design(10, seed=3) == space.design(32, seed=3)[:10]
    assert space.design(10, seed=3) != space.design(10, seed=4)


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("mlp", "2958f674a96392b8335eb2fb017eee7b7bee4fd5aeb036eee5ed1a3bd23ab523"),
        ("tabular", "839330e5169155c5534911c152c137c0fb6e8e0218976d57844de535550486c1"),
    ],
)
def test_published_spaces_and_their_designs_stay(name, digest):
    space = get_space(name)
    text = repr(dict(space)) + repr(space.design(16))
    assert hashlib.sha256(text.encode()).hexdigest() == digest


def test_points_hang_on_no_processors_exp():
    """They are keys of what is published. (NumPy's exp rounds otherwise with AVX-512 only: there,
    this fails with it.)"""
    space = get_space("mlp")
    unit = np.random.default_rng(0).random((20_000, len(space)))
    low, high = math.log(1e-6), math.log(1e-1)
    column = unit[:, list(space).index("weight_decay")]
    expected = [math.exp(low + u * (high - low)) for u in column.tolist()]
    assert [p["weight_decay"] for p in space.from_unit(unit)] == expected


def test_design_covers_better_than_chance():
    space = get_space("mlp")
    depths = np.bincount([p["depth"] for p in space.design(64)], minlength=6)[1:]
    assert depths.min() >= 10  # 12.8 expected; independent draws would scatter by 3.2


def test_encoding_is_in_the_unit_cube_and_tells_points_apart():
    space = get_space("mlp")
    points = space.sample(100, np.random.default_rng(0))
    code = space.encode(points)
    assert code.shape == (100, len(space.encoded_names))
    assert code.min() >= 0.0
    assert code.max() <= 1.0
    assert len(np.unique(code, axis=0)) == 100
    middle = dict(POINT, learning_rate=math.sqrt(1e-4 * 1e-1), width=64)
    row = dict(zip(space.encoded_names, space.encode([middle])[0], strict=True))
    assert row["learning_rate"] == pytest.approx(0.5)
    assert row["width"] == pytest.approx(math.log(64 / 16) / math.log(256 / 16))
    assert row["activation=relu"] == 1.0
    assert row["activation=tanh"] == 0.0


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"depth": 6}, "depth"),
        ({"depth": 2.5}, "depth"),
        ({"learning_rate": 1.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"activation": "sine"}, "activation"),
        ({"residual": 1}, "residual"),
        ({"width": "64"}, "width"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_points_that_do_not_fit_are_refused_by_name(change, word):
    with pytest.raises(SpaceError, match=word):
        get_space("mlp").validate({**POINT, **change})


def test_a_missing_parameter_and_an_unknown_space_are_named():
    with pytest.raises(SpaceError, match="dropout"):
        get_space("mlp").validate({k: v for k, v in POINT.items() if k != "dropout"})
    with pytest.raises(SpaceError, match="thesis"):
        get_space("transformer")


@pytest.mark.parametrize("name", sorted(SPACES))
def test_suggest_is_what_an_objective_calls(name):
    space = get_space(name)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask()
    params = space.suggest(trial)
    assert trial.params == params == space.validate(params)
    assert trial.distributions == dict(space)


@pytest.mark.parametrize("name", ["mlp", "thesis"])
def test_every_point_builds_a_network_with_named_layers(name):
    space = get_space(name)
    x = torch.randn(7, 5)
    for i, point in enumerate(space.design(16)):
        network = space.build(point, n_features=5, n_classes=3, seed=i)
        assert network(x).shape == (7, 3)
        read = network.activations(x)
        assert tuple(read) == network.layer_names
        assert len(read) == point.get("depth", 4)
        # The output layer reads the last of them.
        network.eval()
        assert torch.equal(network.output(read[network.layer_names[-1]]), network(x))


def test_funnel_halves_and_constant_does_not():
    space = get_space("mlp")
    widths = {
        shape: [t.shape[1] for t in space.build({**POINT, "shape": shape, "depth": 5}, 4, 2)
                .activations(torch.randn(3, 4)).values()]
        for shape in ("constant", "funnel")
    }  # fmt: skip
    assert widths == {"constant": [64] * 5, "funnel": [64, 32, 16, 8, 8]}


def test_residual_adds_the_input_where_widths_agree():
    space = get_space("mlp")
    params = {**POINT, "shape": "constant", "normalization": "none", "depth": 2, "dropout": 0.0}
    plain = space.build({**params, "residual": False}, 4, 2, seed=1)
    residual = space.build({**params, "residual": True}, 4, 2, seed=1)
    a, b = (net.activations(torch.randn(6, 4, generator=torch.Generator().manual_seed(0)))
            for net in (plain, residual))  # fmt: skip
    assert torch.equal(a["hidden_1"], b["hidden_1"])  # 4 -> 64: nothing to add
    assert torch.allclose(b["hidden_2"], a["hidden_2"] + a["hidden_1"])


def test_building_is_seeded_and_leaves_global_state_alone():
    space = get_space("mlp")
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    a, b, c = (space.build(POINT, 4, 2, seed=s) for s in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    weights = [n.hidden_1.linear.weight for n in (a, b, c)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_masks_are_those_of_no_other_layer_seed_row_or_unit():
    from infoprior.spaces._dropout import MaskDraws

    def mask(seed, layer):
        return (MaskDraws(seed, layer).masks(500, 400, 0.5) - 1.0).double()

    one = mask(0, 0)
    pairs = {
        "layers": (one, mask(0, 1)),
        "seeds": (one, mask(1, 0)),
        "rows": (one[1:], one[:-1]),
        "units": (one[:, 1:], one[:, :-1]),
        "every other unit": (one[:, 2:], one[:, :-2]),
    }
    for name, (a, b) in pairs.items():
        # Products of independent signs: mean 0, variance 1.
        assert abs((a * b).mean()) * a.numel() ** 0.5 < 5.0, name


def test_masks_continue_where_they_stopped_on_any_division_into_batches():
    from infoprior.spaces._dropout import MaskDraws

    whole, parts = MaskDraws(3, 1), MaskDraws(3, 1)
    expected = whole.masks(50, 7, 0.6)
    masks = [parts.masks(n, 7, 0.6) for n in (20, 1, 29)]
    assert torch.equal(torch.cat(masks), expected)


def test_dropout_keeps_its_share_and_the_mean():
    from infoprior.spaces._dropout import MaskDraws

    mask = MaskDraws(0, 0).masks(500, 400, 0.7)
    assert (mask > 0).float().mean() == pytest.approx(0.7, abs=0.005)
    assert mask.mean() == pytest.approx(1.0, abs=0.005)
    assert len(mask.unique()) == 2


def test_what_makes_no_space_is_refused():
    k = IntDistribution(1, 2)
    for arguments, message in (
        ((5, {"k": k}), "name of a search space is 5"), (("a", {"k": (1, 2)}), r"'k': \(1, 2\)"),
        (("a", [k]), "of type list"), (("a", None), "is None"), (("a", {1: k}), "has 1:"),
        (("a", {"k": k}, 5), "builder of the space 'a' is 5"),
        (("a", {"k": k}, None, 5), "defaults of the space 'a' are 5"),
    ):  # fmt: skip
        with pytest.raises(SpaceError, match=message):
            SearchSpace(*arguments)
    for name in (5, None, ["mlp"], "MLP"):
        with pytest.raises(SpaceError, match="There is no search space"):
            get_space(name)


def test_points_that_do_not_fit_are_neither_encoded_nor_built():
    space = get_space("mlp")
    point = space.design(1)[0]
    assert space.encode([point | {"residual": np.bool_(True)}]).shape == (1, 20)
    for change, message in (
        ({"depth": 6}, "depth = 6"), ({"depth": True}, "depth = True"), ({"depth": "2"}, "depth ="),
        ({"dropout": float("nan")}, "dropout = nan"), ({"activation": "elu"}, "activation = 'elu'"),
        ({"activation": np.array(["relu"])}, "activation ="), ({"learning_rate": 1j}, "rate = 1j"),
        ({"more": 1}, r"unknown \['more'\]"), ({7: 1}, r"unknown \['7'\]"),
    ):  # fmt: skip
        for call in (lambda p: space.encode([p]), lambda p: space.build(p, 4, 2)):
            with pytest.raises(SpaceError, match=message):
                call(point | change)
    for points in (point, None, [None], "ab", [{}]):
        with pytest.raises(SpaceError):
            space.encode(points)


def test_arguments_that_cannot_be_are_refused():
    space = get_space("mlp")
    point, rng = space.design(1)[0], np.random.default_rng(0)
    calls = [
        lambda: space.build(point, 0, 2), lambda: space.build(point, "4", 2),
        lambda: space.build(point, (1, 8, 8), 2), lambda: space.build(point, 4, 0),
        lambda: space.build(point, 4, 2.5), lambda: space.build(point, 4, 2, seed=-1),
        lambda: space.build(None, 4, 2), lambda: space.sample(-1, rng),
        lambda: space.sample(1, 0), lambda: space.design(-1), lambda: space.design(1, seed=-1),
        lambda: space.from_unit([[0.5]]), lambda: space.from_unit(np.full((1, 10), np.nan)),
        lambda: space.from_unit(np.full((1, 10), 2.0)), lambda: space.from_unit("a"),
        lambda: space.suggest(5), lambda: space.settings(None),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(SpaceError):
            call()
    assert space.design(0) == space.sample(0, rng) == []
    assert space.build(point, np.int64(4), np.int64(2)).output.out_features == 2
