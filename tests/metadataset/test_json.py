"""JSON that anybody may have changed is read with a limit, and refused in one sentence."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from optuna.distributions import FloatDistribution

from infoprior.metadataset import MetaDatasetError, space_from_dict, space_to_dict
from infoprior.metadataset import _json as module
from infoprior.metadataset._json import read_json
from infoprior.predictors import PredictorError, load_predictor
from infoprior.spaces import SearchSpace


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "is not JSON"),
        (b"\x80\x04\x95", "is not JSON"),
        (b"[" * 200_000, "is not JSON: maximum recursion"),
        (b"9" * 10_000, "is not JSON: Exceeds the limit"),
        (b" " * 2_000_000, "is larger than 1000000 bytes"),
    ],
)
def test_damaged_files_are_refused(
    data: bytes, match: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 10**6)
    path = tmp_path / "predictor.json"
    path.write_bytes(data)
    with pytest.raises(MetaDatasetError, match=match):
        read_json(path, MetaDatasetError, "missing")
    with pytest.raises(PredictorError, match=match):
        load_predictor(tmp_path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MetaDatasetError, match=r"^nothing there$"):
        read_json(tmp_path / "no.json", MetaDatasetError, "nothing there")
    with pytest.raises(MetaDatasetError, match="cannot be read: Is a directory"):
        read_json(tmp_path, MetaDatasetError, "")


@pytest.mark.filterwarnings("ignore:The distribution is specified")
def test_a_space_keeps_stepped_floats_that_have_no_short_decimals() -> None:
    stepped = FloatDistribution(0.1, 0.1 + 6 / 3, step=1 / 3)
    space = SearchSpace("own", {"x": stepped})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert dict(space_from_dict(space_to_dict(space), "file")) == {"x": stepped}


@pytest.mark.parametrize(
    "data", [None, [], {"name": "a"}, {"name": "a", "distributions": [["x", 3]]}]
)
def test_what_is_no_space_is_refused(data: object) -> None:
    with pytest.raises(MetaDatasetError, match=r"^file: the space cannot be read"):
        space_from_dict(data, "file")
