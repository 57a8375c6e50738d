"""What the fan-out refuses, by name."""

import numpy as np
import pytest

from infoprior.parallel import ParallelError, engine_options, run_jobs


def square(x):
    return {"x": x, "square": x * x}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"function": "square"}, "function: needs a function, got 'square'"),
        ({"function": None}, "function: "),
        ({"jobs": [("k", (1,))]}, "jobs: needs a dict, key -> arguments, got one of type list"),
        ({"jobs": None}, "jobs: "),
        ({"jobs": {1: (1,)}}, "jobs: the key 1 is no text"),
        ({"jobs": {None: (1,)}}, "jobs: the key None is no text"),
        ({"jobs": {b"k": (1,)}}, "jobs: the key b'k' is no text"),
        (
            {"jobs": {"k": 1}},
            r"arguments of 'k' are of type int: give a tuple, as \(x,\)",
        ),
        ({"jobs": {"k": "ab"}}, "jobs: the arguments of 'k' are of type str"),
        ({"jobs": {"k": {"x": 1}}}, "jobs: the arguments of 'k' are of type dict"),
        ({"jobs": {"../x": (1,)}}, r"job key '\.\./x' cannot name a file: use letters"),
        ({"jobs": {"": (1,)}}, "job key '' cannot name a file"),
        ({"jobs": {".x": (1,)}}, "begin with a letter or digit"),
        ({"jobs": {"k\n": (1,)}}, "cannot name a file"),
        ({"jobs": {"x" * 181: (1,)}}, "it has 181 characters, and 180 are the most"),
        ({"jobs": {"ab": (1,), "aB": (2,)}}, "'ab' and 'aB' differ in capital letters only"),
        ({"directory": None}, "directory: needs a path, got None"),
        ({"directory": 3}, "directory: needs a path"),
        ({"directory": b"x"}, "directory: needs a path"),
        ({"directory": __file__}, r"directory: .*arguments\.py cannot be made: File exists"),
        ({"directory": f"{__file__}/x"}, "cannot be made: Not a directory"),
        ({"workers": 0}, "workers = 0: at least one"),
        ({"workers": -1}, "workers = -1"),
        ({"workers": 2.0}, r"workers: needs a whole number, got 2\.0"),
        ({"workers": "2"}, "workers: needs a whole number"),
        ({"workers": True}, "workers: needs a whole number, got True"),
        ({"workers": None}, "workers: needs a whole number"),
        ({"engine": "spark"}, "engine = 'spark': one of local, dask, ray"),
        ({"engine": None}, "engine = None"),
        ({"engine": ["dask"]}, r"engine = \['dask'\]"),
        ({"engine": "dask"}, "needs the scheduler's address"),
        ({"engine": "dask", "address": 8786}, "address = 8786: a text"),
        ({"description": 3}, "description: needs a text"),
        ({"progress": "no"}, "progress: needs to be True or False"),
    ],
)
def test_wrong_arguments_are_refused_by_name_before_anything_runs(tmp_path, wrong, says):
    right = {"function": square, "jobs": {"k": (1,)}, "directory": tmp_path / "store"}
    arguments = {**right, "progress": False, **wrong}
    with pytest.raises(ParallelError, match=says):
        run_jobs(arguments.pop("function"), arguments.pop("jobs"), **arguments)
    assert not (tmp_path / "store").exists()


def test_numpy_numbers_longest_keys_and_lists_of_arguments_will_do(tmp_path):
    results = run_jobs(
        square, {"x" * 180: [2]}, directory=str(tmp_path), workers=np.int64(1), progress=False
    )
    assert results["x" * 180]["square"] == 4


@pytest.mark.parametrize(
    ("params", "says"),
    [
        (None, "parallel: needs settings by name, got None"),
        ([2], "parallel: needs settings by name"),
        ({1: 2}, r"parallel\.1: there are"),
        ({1: 2, "a": 3}, r"parallel\.1: there are"),
        ({"workers": True}, r"parallel\.workers = True"),
        ({"workers": 2.0}, r"parallel\.workers = 2\.0"),
        ({"workers": None}, r"parallel\.workers = None"),
        ({"engine": False}, "parallel: engine = False"),
        ({"engine": ["ray"]}, r"parallel: engine = \['ray'\]"),
        ({"engine": "dask", "address": 5}, "parallel: address = 5"),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(params, says):
    with pytest.raises(ParallelError, match=says):
        engine_options(params)
