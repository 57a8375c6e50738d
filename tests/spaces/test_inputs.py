"""Encodings of inputs against scikit-learn and against the formulas of the papers."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.preprocessing import QuantileTransformer, RobustScaler
from torch import Tensor

from infoprior.spaces import InputEncoder, SpaceError, fit_inputs, get_space
from infoprior.spaces._inputs import ENCODINGS, MAX_ENCODED

SPACE = get_space("tabular")
POINT = SPACE.design(1)[0] | {"depth": 2, "feature_scale": True, "normalization": "batch"}


def table(n: int = 300, seed: int = 0) -> np.ndarray:
    """Heavy tails, an exponential, whole numbers with many ties; standardised, as tasks have it."""
    rng = np.random.default_rng(seed)
    columns = rng.standard_t(2, n), rng.exponential(size=n), rng.poisson(1.5, n).astype(float)
    x = np.stack(columns, axis=1)
    standard: np.ndarray = ((x - x.mean(0)) / x.std(0)).clip(-10, 10).astype(np.float32)
    return standard


def encode(encoder: InputEncoder, x: np.ndarray) -> np.ndarray:
    encoded: np.ndarray = encoder(torch.from_numpy(x)).numpy()
    return encoded


def test_robust_scaling_is_scikit_learns_with_a_smooth_clip() -> None:
    train, new = table(), table(seed=1)
    scaled = RobustScaler().fit(train).transform(new.astype(np.float64))
    expected = scaled / np.sqrt(1 + (scaled / 3) ** 2)
    assert np.allclose(encode(fit_inputs("robust", train), new), expected, atol=1e-6)
    assert np.abs(expected).max() < 3


def test_where_half_of_the_rows_hold_one_value_robust_scaling_takes_the_range() -> None:
    x = np.zeros((100, 1), np.float32)
    x[:3, 0] = -1, 2, 3
    scaled = 2 * x / (3 - -1)
    expected = scaled / np.sqrt(1 + (scaled / 3) ** 2)
    assert np.allclose(encode(fit_inputs("robust", x), x), expected, atol=1e-6)


@pytest.mark.parametrize("n", [90, 1500])
def test_quantiles_are_scikit_learns(n: int) -> None:
    train, new = table(n), table(seed=1)
    theirs = QuantileTransformer(
        n_quantiles=max(n // 30, 10), output_distribution="normal", subsample=None
    ).fit(train.astype(np.float64))
    encoder = fit_inputs("quantile", train)
    for x in (train, new, 3 * new):
        expected = theirs.transform(x.astype(np.float64))
        assert np.allclose(encode(encoder, x), expected, atol=1e-5)


@pytest.mark.parametrize(("name", "bins"), [("piecewise-8", 8), ("piecewise-24", 24)])
def test_piecewise_linear_encoding_is_the_papers(name: str, bins: int) -> None:
    """Gorishniy et al. 2022, equation 1, one value after the other."""
    train, new = table(), 2 * table(seed=1)
    encoded = encode(fit_inputs(name, train), new)
    start = 0
    for j in range(3):
        ranks = np.ceil(np.arange(bins + 1) / bins * len(train)).clip(1).astype(int) - 1
        edges = np.unique(np.sort(train[:, j])[ranks]).astype(np.float64)
        last = len(edges) - 1
        assert last == bins if j < 2 else last < bins  # of few values there are fewer bins
        for i, x in enumerate(new[:, j].astype(np.float64)):
            for t in range(1, last + 1):
                share = (x - edges[t - 1]) / (edges[t] - edges[t - 1])
                if x < edges[t - 1] and t > 1:
                    share = 0.0
                elif x >= edges[t] and t < last:
                    share = 1.0
                assert encoded[i, start + t - 1] == pytest.approx(share, abs=1e-5, rel=1e-5)
        # A linear layer sees the column itself: its bins' shares by their widths.
        own = encoded[:, start : start + last]
        assert np.allclose(edges[0] + own @ np.diff(edges), new[:, j], atol=1e-4)
        start += last
    assert encoded.shape[1] == start


def test_periodic_features_are_the_papers() -> None:
    """Gorishniy et al. 2022, equation 2, beside the column itself."""
    train, new = table(), table(seed=1)
    low, high = fit_inputs("periodic-low", train), fit_inputs("periodic-high", train)
    for encoder in (low, high):
        frequencies: Any = encoder.frequencies
        angles = 2 * math.pi * new.astype(np.float64)[:, :, None] * frequencies.numpy()
        flat = angles.reshape(len(new), -1)
        assert flat.shape[1] == 3 * 8
        expected = np.concatenate([new, np.sin(flat), np.cos(flat)], axis=1)
        assert np.allclose(encode(encoder, new), expected, atol=1e-5)
    assert torch.allclose(10 * low.frequencies, high.frequencies)  # type: ignore[operator]
    assert 0.05 < float(low.frequencies.std()) < 0.2  # type: ignore[operator]


def test_frequencies_are_drawn_by_the_seed_alone() -> None:
    train = table()
    torch.manual_seed(1)
    first = fit_inputs("periodic-high", train)
    torch.manual_seed(2)
    assert fit_inputs("periodic-high", train).digest == first.digest
    assert fit_inputs("periodic-high", train, seed=1).digest != first.digest


@pytest.mark.parametrize("name", ENCODINGS)
def test_ties_constants_and_columns_of_two_values_break_nothing(name: str) -> None:
    rng = np.random.default_rng(0)
    n = 200
    x = np.zeros((n, 6))
    x[:, 0] = rng.random(n) < 0.3  # one-hot
    x[:, 1] = 1.0  # constant
    x[:2, 2] = 1, 2  # nearly constant
    x[:, 3] = rng.integers(0, 3, n)
    x[:, 4] = np.where(rng.random(n) < 0.9, 0.1, rng.random(n))  # one value nearly everywhere
    x[:, 5] = rng.standard_normal(n)
    x = x.astype(np.float32)
    encoder = fit_inputs(name, x)
    assert encoder.numeric.tolist() == [2, 3, 4, 5]
    far = np.concatenate([x, np.full((1, 6), 10, np.float32), np.full((1, 6), -10, np.float32)])
    encoded = encode(encoder, far)
    assert np.isfinite(encoded).all()
    assert encoded.shape == (n + 2, encoder.n_out)
    assert encoded.dtype == np.float32
    others = far[:, :2] if name == "standard" else encoded[:, -2:]
    assert (others == far[:, :2]).all()  # as they are
    if name.startswith("piecewise"):
        inside = encoded[:n]
        assert inside.min() >= 0
        assert inside.max() <= 1
    if name == "standard":
        assert (encoded == far).all()
    # Rows that differ in a numeric column still do.
    assert len(np.unique(encoded[:n], axis=0)) == len(np.unique(x, axis=0))


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_table_without_numeric_columns_is_left_as_it_is(name: str) -> None:
    x = (np.random.default_rng(0).random((50, 4)) < 0.5).astype(np.float32)
    encoder = fit_inputs(name, x)
    assert encoder.n_out == 4
    assert (encode(encoder, x) == x).all()


@pytest.mark.parametrize("d", [5, 20, 40, 200, 600])
@pytest.mark.parametrize("name", ENCODINGS)
def test_wide_tables_have_fewer_bins_and_frequencies(name: str, d: int) -> None:
    x = np.random.default_rng(0).standard_normal((100, d)).astype(np.float32)
    encoder = fit_inputs(name, x)
    assert d <= encoder.n_out <= max(MAX_ENCODED, d)
    each = {"piecewise-8": 8, "piecewise-24": 24, "periodic-low": 17, "periodic-high": 17}
    most = MAX_ENCODED // d
    if name.startswith("periodic"):
        most -= 1 - most % 2  # the column, and pairs
    assert encoder.n_out == d * max(1, min(each.get(name, 1), most))
    assert encode(encoder, x).shape == (100, encoder.n_out)


@pytest.mark.parametrize("name", ENCODINGS)
def test_a_saved_encoder_gives_the_same(name: str, tmp_path: Path) -> None:
    encoder, new = fit_inputs(name, table()), table(seed=1)
    encoder.save(tmp_path / "inputs.safetensors")
    loaded = InputEncoder.load(tmp_path / "inputs.safetensors")
    assert type(loaded) is type(encoder)
    assert (loaded.name, loaded.n_in, loaded.n_out) == (name, 3, encoder.n_out)
    assert (encode(loaded, new) == encode(encoder, new)).all()
    loaded.save(tmp_path / "again.safetensors")
    assert len({p.read_bytes() for p in tmp_path.iterdir()}) == 1
    assert loaded.digest == encoder.digest


def test_files_without_an_encoder_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "inputs.safetensors"
    fit_inputs("robust", table()).save(path)
    whole = path.read_bytes()
    for name, content in {"cut": whole[:-9], "text": b"{}", "empty": b""}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SpaceError, match=f"{name}: holds no encoder of inputs"):
            InputEncoder.load(tmp_path / name)
    tensors: dict[str, Tensor] = {"median": torch.zeros(3)}
    header = {"format": "infoprior.inputs/1", "inputs": "robust", "n_in": 3}
    for name, changed in {
        "format": {"format": "infoprior.task/1"}, "encoding": {"inputs": "other"},
        "columns": {"n_in": "many"}, "lacks": {},
    }.items():  # fmt: skip
        save_file(tensors, tmp_path / name, metadata={"inputs": json.dumps(header | changed)})
        with pytest.raises(SpaceError, match=f"{name}: holds no encoder of inputs"):
            InputEncoder.load(tmp_path / name)
    with pytest.raises(SpaceError, match="no such file"):
        InputEncoder.load(tmp_path / "nothing")
    with pytest.raises(SpaceError, match="no file can be written there"):
        fit_inputs("robust", table()).save(tmp_path)


def test_what_cannot_be_fitted_on_is_refused() -> None:
    x = table()
    with pytest.raises(SpaceError, match="no encoding 'other'; choose one of standard, robust"):
        fit_inputs("other", x)
    images, missing = np.zeros((5, 1, 2, 2), np.float32), np.full((5, 2), np.nan)
    for wrong in (x[:, 0], images, x[:0], missing, np.full((5, 2), "a"), None):
        with pytest.raises(SpaceError, match="fitted on finite numbers of shape"):
            fit_inputs("robust", wrong)
    with pytest.raises(SpaceError, match="seed"):
        fit_inputs("robust", x, seed=-1)


@pytest.mark.parametrize("name", ENCODINGS)
def test_the_encoded_rows_are_a_layer_of_the_network(name: str) -> None:
    train, new = table(), torch.from_numpy(table(seed=1))
    point = POINT | {"inputs": name}
    encoder = SPACE.fit_inputs(point, train)
    network = SPACE.build(point, (3,), 4, seed=5, inputs=encoder).eval()
    assert network.layer_names == ("inputs", "hidden_1", "hidden_2")
    read = network.activations(new)
    assert tuple(read) == network.layer_names
    assert torch.equal(read["inputs"], encoder(new))
    assert torch.equal(network.network.output(read["hidden_2"]), network(new))
    assert network.training is False
    # What was fitted is the network's own, and part of its state.
    assert encoder is not network.inputs
    other = SPACE.build(point, 3, 4, seed=6, inputs=SPACE.fit_inputs(point, train + 1))
    assert not torch.equal(other(new), network(new))
    if name not in ("standard", "piecewise-8", "piecewise-24", "quantile"):
        other.load_state_dict(network.state_dict())
        assert torch.equal(other.eval()(new), network(new))


def test_every_point_of_the_space_builds_and_widths_are_capped() -> None:
    train = table()
    for i, point in enumerate(SPACE.design(32)):
        network = SPACE.build(point, 3, 2, seed=i, inputs=SPACE.fit_inputs(point, train))
        widths = [t.shape[1] for t in network.activations(torch.from_numpy(train)).values()][1:]
        assert widths[0] == point["width"]
        assert max(widths[1:], default=0) <= 192
        assert len(widths) == point["depth"]
        assert (network.network.scale is not None) == point["feature_scale"]


def test_a_scaled_first_layer_adds_no_input() -> None:
    from infoprior.spaces._mlp import MLP

    scaled = MLP(4, 2, (4, 4), residual=True, feature_scale=True)
    assert [scaled.hidden_1.residual, scaled.hidden_2.residual] == [False, True]
    assert MLP(4, 2, (4, 4), residual=True).hidden_1.residual
    x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        scaled.scale.factor.copy_(torch.tensor([2.0, 0.0, 1.0, -1.0]))  # type: ignore[union-attr]
    plain = MLP(4, 2, (4, 4), residual=True)
    plain.hidden_1.residual = False
    plain.load_state_dict({k: v for k, v in scaled.state_dict().items() if "scale" not in k})
    doubled = x * torch.tensor([2.0, 0.0, 1.0, -1.0])
    assert torch.equal(scaled(x), plain(doubled))
    assert torch.equal(scaled.activations(x)["hidden_1"], plain.activations(doubled)["hidden_1"])
    assert tuple(scaled.activations(x)) == ("hidden_1", "hidden_2")


def test_what_builds_no_network_is_refused() -> None:
    encoder = SPACE.fit_inputs(POINT, table())
    with pytest.raises(SpaceError, match=r"begin with an encoder of their inputs: give inputs="):
        SPACE.build(POINT, 3, 2)
    with pytest.raises(SpaceError, match="fitted on 3 columns, the network is to read 4"):
        SPACE.build(POINT, 4, 2, inputs=encoder)
    with pytest.raises(SpaceError, match="read vectors, not images"):
        SPACE.build(POINT, (1, 8, 8), 2, inputs=encoder)
    mlp = get_space("mlp")
    point = mlp.design(1)[0]
    assert mlp.fit_inputs(point, table()) is None
    with pytest.raises(SpaceError, match="'mlp' encodes no inputs; leave out `inputs`"):
        mlp.build(point, 3, 2, inputs=encoder)
    with pytest.raises(SpaceError, match="give a function of the parameter 'inputs'"):
        type(SPACE)("own", dict(mlp), encoder=fit_inputs)


def test_the_space_travels_and_keeps_its_encoder() -> None:
    import pickle  # how a space reaches a worker process

    sent = pickle.loads(pickle.dumps(SPACE))  # own bytes, as to a worker; no file
    for space in (sent, SPACE.with_defaults(entropy_weight=0.1)):
        assert dict(space) == dict(SPACE)
        assert space.encodes_inputs
        assert space.fit_inputs(POINT, table()).digest == SPACE.fit_inputs(POINT, table()).digest
