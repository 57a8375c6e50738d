"""best.json: which of several saved predictors is meant."""

import pytest

from infoprior.predictors import PredictorError, load_predictor, make_predictor
from tests.factories import make_metadataset


@pytest.fixture
def models(tmp_path):
    meta = make_metadataset(n_tasks=6, n_architectures=8, seed=0)
    for name in ("static", "gaussian"):
        make_predictor(name, (), seed=0).fit(meta).save(tmp_path / "fitted" / name)
    return tmp_path


def test_the_named_one_is_loaded(models):
    for name in ("static", "gaussian"):
        (models / "best.json").write_text(f'{{"predictor": "fitted/{name}"}}')
        assert load_predictor(models).name == name
    assert load_predictor(models / "fitted" / "static").name == "static"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{"predictor": "../elsewhere"}', "outside"),
        ('{"predictor": "fitted/none"}', "fitted/none"),
        ('{"model": "x"}', "best.json"),
        ("[1]", "best.json"),
        ("not json", "best.json"),
    ],
)
def test_a_choice_that_cannot_be_followed_is_refused(models, text, word):
    (models / "best.json").write_text(text)
    with pytest.raises(PredictorError, match=word):
        load_predictor(models)


def test_a_folder_without_predictors_says_what_to_do(tmp_path):
    with pytest.raises(PredictorError, match="name the folder of a saved one, or none"):
        load_predictor(tmp_path)
