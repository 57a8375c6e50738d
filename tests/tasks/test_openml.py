"""OpenML by id: the two ways it cannot work, and the conversion, on a stand-in module."""

from __future__ import annotations

import sys
import types

import numpy as np
import pandas as pd
import pytest

from infoprior.tasks import TaskError, TaskWarning, load_task


class _DataSet:
    def __init__(self, name="credit-g", target="class", **attributes):
        self.name = name
        self.default_target_attribute = target
        self.ignore_attribute = attributes.get("ignore")
        self.row_id_attribute = attributes.get("row_id")
        self.extra = attributes.get("extra", {})

    def get_data(self, dataset_format):
        assert dataset_format == "dataframe"
        rng = np.random.default_rng(0)
        frame = pd.DataFrame(
            {
                "row": np.arange(90),
                "amount": rng.normal(size=90),
                "purpose": pd.Categorical(rng.choice(["car", "tv", "loan"], size=90)),
                "code": rng.integers(1, 4, size=90),
                "class": pd.Categorical(["good", "bad", "good"] * 30),
                **self.extra,
            }
        )
        frame.loc[3, "purpose"] = None
        return frame, None, [c in ("purpose", "code", "class") for c in frame], list(frame)


def _stand_in(monkeypatch, get_dataset):
    module = types.ModuleType("openml")
    module.datasets = types.SimpleNamespace(get_dataset=get_dataset)
    monkeypatch.setitem(sys.modules, "openml", module)


def test_without_the_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "openml", None)
    with pytest.raises(TaskError, match=r"openml/31.*pip install 'infoprior\[openml\]'"):
        load_task("openml/31")


def test_without_a_network(monkeypatch):
    def get_dataset(*_, **__):
        raise ConnectionError("Max retries exceeded\nwith much detail")

    _stand_in(monkeypatch, get_dataset)
    with pytest.raises(TaskError, match="openml/31 cannot be downloaded, is there a network") as e:
        load_task("openml/31")
    assert "\n" not in str(e.value)


def test_an_unknown_id(monkeypatch):
    def get_dataset(*_, **__):
        raise RuntimeError("Unknown dataset")

    _stand_in(monkeypatch, get_dataset)
    with pytest.raises(TaskError, match=r"openml/9: openml\.org refused it: Unknown dataset"):
        load_task("openml/9")
    with pytest.raises(TaskError, match="whole number"):
        load_task("openml/credit-g")


def test_no_default_target(monkeypatch):
    _stand_in(monkeypatch, lambda *_, **__: _DataSet(target=None))
    with pytest.raises(TaskError, match="no single default target"):
        load_task("openml/31")


def test_conversion(monkeypatch):
    _stand_in(monkeypatch, lambda *_, **__: _DataSet(row_id="row"))
    task = load_task("openml/31", seed=2, max_test=10)
    assert (task.name, task.source, task.kind) == ("openml/31", "openml", "real")
    assert task.family == "credit-german"  # held out together with the packaged copy
    assert task.class_names == ("bad", "good")
    assert len(task.test) == 10
    assert "amount" in task.feature_names
    assert not any(name.startswith("row") for name in task.feature_names)
    assert {"code=1", "code=2", "code=3", "purpose=car"} <= set(task.feature_names)


def test_unusable_columns_are_left_out_with_a_warning(monkeypatch):
    data = _DataSet(name="new", extra={"flat": 1.0}, ignore=["row"])
    _stand_in(monkeypatch, lambda *_, **__: data)
    with pytest.warns(TaskWarning, match="openml/5: column 'flat' is constant"):
        task = load_task("openml/5")
    assert task.family == "openml-new"
    assert "flat" not in task.feature_names
