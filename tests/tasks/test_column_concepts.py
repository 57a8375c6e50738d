"""The second generator: classes arise from columns, so that how inputs are encoded matters."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from infoprior.metadataset import _jobs
from infoprior.metadataset._publication import PUBLISHED, read_publication
from infoprior.spaces._inputs import fit_inputs
from infoprior.tasks import GENERATORS, TaskError, load_task, synthetic_task
from infoprior.tasks._synthetic.column_concept import ColumnConcept
from infoprior.tasks._synthetic.column_scores import COLUMN_SCORES
from infoprior.tasks._synthetic.columns import SPOILED, WARPS
from infoprior.tasks._synthetic.generator import recipe, task_of
from infoprior.tasks._synthetic.mix import CODED_KINDS, COLUMN_MIX, IRREGULAR_KINDS, Term, n_encoded
from infoprior.tasks._synthetic.odds import ODDS
from infoprior.tasks._task import PARTS

SECOND = GENERATORS[1]
RECIPES = [recipe(i, SECOND) for i in range(400)]
ENCODINGS = ("standard", "robust", "quantile", "piecewise-8", "piecewise-24", "periodic-low",
             "periodic-high")  # fmt: skip


def term(mechanism="linear", view="measured", strength=1.0, share=1.0, complexity=2):
    return Term(mechanism, view, strength, share, complexity)


def concept(*terms, kinds=("plain",) * 4, n_irrelevant=0, number=5, **changes):
    """Independent Gaussian variables and no noise, but for the changes."""
    n_classes = changes.get("n_classes", 2)
    informative = len(kinds) - n_irrelevant
    plain = dict(
        concept=number, mechanism="columns", complexity=2, n_classes=n_classes, ordinal=False,
        class_weights=(1 / n_classes,) * n_classes, n_train=1000, temperature=0.0, noise=0.0,
        latent="normal", n_latent=informative, correlation=0.0, measured="directly",
        measurement_noise=0.0, n_informative=informative, n_redundant=0, n_irrelevant=n_irrelevant,
        kinds=tuple(kinds), missing=(0.0,) * len(kinds), terms=terms,
    )  # fmt: skip
    return ColumnConcept(dataclasses.replace(RECIPES[0], **{**plain, **changes}))


def read_outs(*terms, kinds=("plain",) * 4, numbers=range(3), **changes):
    """Mean test accuracy of a linear model of each encoding, in %: what it makes linear."""
    from sklearn.linear_model import LogisticRegression

    accuracies = {name: [] for name in ENCODINGS}
    for number in numbers:
        c = concept(*terms, kinds=kinds, number=number, **changes)
        task = task_of(c, "test/0", n_train=2000, n_validation=10, n_test=2000)
        (x, y), (x_test, y_test) = task.split("train"), task.split("test")
        for name in ENCODINGS:
            encoder = fit_inputs(name, x)
            a, b = (encoder(torch.from_numpy(v)).numpy() for v in (x, x_test))
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model = LogisticRegression(C=10.0, max_iter=150).fit(a, y)
            accuracies[name].append(100 * model.score(b, y_test))
    return {name: float(np.mean(values)) for name, values in accuracies.items()}


# What mechanisms do to encodings ---------------------------------------------------------------


@pytest.mark.parametrize(
    "kinds", [("plain",) * 4, ("plain", "integer", "ordered:6", "uniform")], ids=["plain", "coded"]
)
def test_where_labels_are_linear_in_measured_columns_standard_is_not_beaten(kinds):
    accuracies = read_outs(term("linear"), kinds=kinds)
    assert accuracies["standard"] > 97
    assert max(accuracies.values()) < accuracies["standard"] + 0.5
    assert accuracies["quantile"] <= accuracies["standard"]


def test_where_labels_are_linear_in_a_heavy_tail_standard_is_not_beaten():
    accuracies = read_outs(term("linear"), kinds=("tails",) * 3, noise=0.05)
    assert max(accuracies.values()) < accuracies["standard"] + 0.5
    assert accuracies["robust"] < accuracies["standard"] - 0.5


def test_where_labels_are_linear_before_a_warp_ranks_beat_standard():
    accuracies = read_outs(term("linear", "before the warp"), kinds=("explosive",) * 4)
    assert accuracies["quantile"] > accuracies["standard"] + 5
    assert accuracies["quantile"] > 95


def test_outliers_in_columns_that_matter_are_for_robust_scaling():
    accuracies = read_outs(term("linear", "before the warp"), kinds=("outliers",) * 4)
    assert accuracies["robust"] > accuracies["standard"] + 2


def test_outliers_in_columns_that_do_not_matter_leave_standard_unbeaten():
    kinds = ["outliers"] * 6
    c = concept(term("linear"), kinds=kinds, n_irrelevant=3)
    for k in c.measurement.relevant:
        kinds[k] = "plain"
    accuracies = read_outs(term("linear"), kinds=kinds, n_irrelevant=3, numbers=[5])
    assert max(accuracies.values()) < accuracies["standard"] + 0.5


@pytest.mark.parametrize("mechanism", ["periodic", "steps"])
def test_what_goes_up_and_down_is_for_wide_encodings(mechanism):
    accuracies = read_outs(term(mechanism, complexity=1))
    wide = {"periodic": "periodic-high", "steps": "piecewise-24"}[mechanism]
    assert accuracies[wide] > accuracies["standard"] + 8
    assert accuracies[wide] > accuracies["quantile"] + 8


def test_curves_are_sums_of_columns_that_bins_make_linear():
    accuracies = read_outs(term("curves"))
    assert accuracies["piecewise-8"] > accuracies["standard"] + 2
    assert accuracies["piecewise-8"] > 94


def test_codes_without_an_order_are_for_bins_and_codes_with_one_are_not():
    shuffled, ordered = (
        read_outs(term("linear", "before the warp"), kinds=(f"{kind}:7",) * 4)
        for kind in ("shuffled", "ordered")
    )
    assert shuffled["piecewise-24"] > shuffled["standard"] + 5
    assert ordered["piecewise-24"] < ordered["standard"] + 3


def test_pairs_are_linear_under_no_encoding_of_single_columns():
    from sklearn.ensemble import HistGradientBoostingClassifier

    boosted, linear = [], []
    for number in range(4):
        c = concept(term("pairs", complexity=1), number=number)
        task = task_of(c, "test/0", n_train=2000, n_validation=10, n_test=2000)
        model = HistGradientBoostingClassifier(max_iter=60, random_state=0)
        boosted.append(100 * model.fit(*task.split("train")).score(*task.split("test")))
        linear.append(max(read_outs(term("pairs", complexity=1), numbers=[number]).values()))
    assert np.mean(boosted) > np.mean(linear) + 1


@pytest.mark.parametrize("mechanism", sorted(COLUMN_SCORES))
def test_mechanisms_give_finite_scores_of_the_asked_for_shape(mechanism):
    for d, n_scores, complexity in ((1, 1, 1), (1, 5, 4), (7, 2, 3), (40, 3, 4)):
        rng = np.random.default_rng(d)
        score = COLUMN_SCORES[mechanism](d, n_scores, complexity, rng)
        x = np.clip(3 * rng.standard_t(2, size=(50, d)), -10, 10)
        assert score(x).shape == (50, n_scores)
        assert np.isfinite(score(x)).all()
        np.testing.assert_allclose(score(x)[:7], score(x[:7]), rtol=1e-9, atol=1e-12)


# Concepts --------------------------------------------------------------------------------------


def test_strengths_are_standard_deviations_of_what_terms_add():
    c = concept(term("linear"), term("periodic", strength=0.3), kinds=("plain",) * 6)
    views = c._views(*c._measured(20_000, np.random.default_rng(0)))
    parts = [f * score(views[:, read]) for f, score, read in c._terms]
    deviations = [(part - part.mean(0)).std() for part in parts]
    np.testing.assert_allclose(deviations, [1.0, 0.3], rtol=0.05)


def test_terms_read_their_share_of_the_relevant_columns():
    c = concept(term(share=0.5), term(view="before the warp"), kinds=("plain",) * 9, n_irrelevant=3)
    (_, _, measured), (_, _, before) = c._terms
    assert len(measured) == 3
    assert set(measured - 9) <= set(c.measurement.relevant)
    assert set(before) == set(c.measurement.relevant)


def test_irrelevant_columns_say_nothing_of_the_class():
    kinds = ("plain", "tails", "modes", "plain", "plain", "tails", "modes", "plain")
    c = concept(term("linear"), kinds=kinds, n_irrelevant=4)
    cells, y = c.rows(20_000, np.random.default_rng(1))
    ranks = cells.argsort(0).argsort(0) / len(cells)
    gap = np.abs(ranks[y == 0].mean(0) - ranks[y == 1].mean(0))
    nothing = np.setdiff1d(np.arange(8), c.measurement.relevant)
    assert gap[nothing].max() < 0.02
    assert gap[c.measurement.relevant].max() > 0.1


def test_gaps_are_made_after_the_labels():
    whole, gappy = (
        concept(term("steps"), missing=(share,) * 4).rows(500, np.random.default_rng(2))
        for share in (0.0, 0.3)
    )
    np.testing.assert_array_equal(whole[1], gappy[1])
    there = ~np.isnan(gappy[0])
    assert 0.65 < there.mean() < 0.75
    np.testing.assert_array_equal(whole[0][there], gappy[0][there])


@pytest.mark.parametrize("mechanism", sorted(COLUMN_SCORES))
def test_class_weights_are_met(mechanism):
    weights = (0.6, 0.3, 0.1)
    c = concept(term(mechanism), n_classes=3, class_weights=weights, kinds=("plain",) * 5)
    y = c.rows(8000, np.random.default_rng(3))[1]
    np.testing.assert_allclose(np.bincount(y, minlength=3) / 8000, weights, atol=0.06)


def test_levels_of_a_category_have_no_order_and_matter():
    ordered = []
    for number in range(6):
        c = concept(term("linear"), kinds=("category:6",), number=number)
        cells, y = c.rows(6000, np.random.default_rng(4))
        shares = [y[cells[:, 0] == level].mean() for level in range(6)]
        assert set(shares) == {0.0, 1.0}
        assert c.measurement.columns(cells)[0].nominal
        ordered.append(shares in (sorted(shares), sorted(shares)[::-1]))
    assert not all(ordered)  # half of the levels in one class: by chance in one concept of ten


def test_irregular_columns_are_what_their_kind_says():
    kinds = ("outliers", "units", "code for unknown", "absent", "tails", "modes", "clumps",
             "heaped", "ordered:4", "shuffled:4")  # fmt: skip
    c = concept(term(), kinds=kinds)
    values, cells = c._measured(20_000, np.random.default_rng(5))
    x = dict(zip(kinds, cells.T, strict=True))
    before = dict(zip(kinds, values.T, strict=True))
    assert np.mean(x["outliers"] != before["outliers"]) == pytest.approx(0.02, abs=0.005)
    assert np.abs(x["outliers"]).max() > 300
    assert np.mean(x["code for unknown"] == -9) == pytest.approx(0.12, abs=0.01)
    assert np.mean(x["absent"] == 0) == pytest.approx(0.5, abs=0.02)
    ratio = x["units"] / (before["units"] + 3)
    assert set(ratio.round(9)) == {1.0, 10.0}
    assert np.mean(np.abs(x["tails"]) > 20) > 0.01
    assert not np.any(np.abs(x["modes"]) < 1.9)
    assert np.mean(x["heaped"] == np.round(x["heaped"])) == pytest.approx(0.6, abs=0.03)
    for kind in ("tails", "modes", "clumps", "ordered:4"):
        assert (np.diff(x[kind][np.argsort(before[kind])]) >= 0).all(), kind
    for kind in ("ordered:4", "shuffled:4"):
        assert set(x[kind]) == {0, 1, 2, 3}
    assert not any(column.nominal for column in c.measurement.columns(cells))


def test_a_constant_column_is_no_trouble():
    c = concept(term(), kinds=("plain", "ordered:2"), number=1)
    c.measurement.cuts[1][:] = 99.0
    assert np.isfinite(c.scores(c._views(*c._measured(50, np.random.default_rng(6))))).all()


# The generator ---------------------------------------------------------------------------------


def test_every_setting_occurs():
    terms = [t for r in RECIPES for t in r.terms]
    assert {r.mechanism for r in RECIPES} == set(COLUMN_MIX["mechanism"])
    assert {t.mechanism for t in terms} == set(COLUMN_MIX["term"]) <= set(COLUMN_SCORES)
    assert {t.view for t in terms} == set(COLUMN_MIX["view"])
    assert {len(r.terms) for r in RECIPES} == {0, 1, 2, 3}
    kinds = {kind.partition(":")[0] for r in RECIPES for kind in r.kinds}
    assert kinds >= {*IRREGULAR_KINDS, *CODED_KINDS}
    assert kinds <= {*WARPS, *SPOILED, "binary", "category", "ordered", "shuffled"}
    assert all((r.mechanism == "columns") == bool(r.terms) for r in RECIPES)
    assert all(r.terms[0].strength == 1.0 for r in RECIPES if r.terms)


def test_settings_occur_as_often_as_their_odds_say():
    for name, value in (("mechanism", lambda r: r.mechanism), ("terms", lambda r: len(r.terms))):
        odds = ODDS[name]
        of = [r for r in RECIPES if name == "mechanism" or r.terms]
        for key, odd in odds.items():
            share = np.mean([value(r) == key for r in of])
            assert share == pytest.approx(odd / sum(odds.values()), abs=0.07)


def test_sizes_are_in_their_ranges():
    assert all(150 <= r.n_train <= 2500 for r in RECIPES)
    assert all(2 <= r.n_classes <= 20 for r in RECIPES)
    for r in RECIPES:
        coded = [n_encoded(k) + (k.startswith("category") and m > 0)
                 for k, m in zip(r.kinds, r.missing, strict=True)]  # fmt: skip
        assert 3 <= sum(coded) <= 60


@pytest.mark.parametrize("index", range(12))
def test_every_class_is_shown_and_no_row_is_in_two_parts(index):
    n_classes = recipe(index, SECOND).n_classes
    n_train = max(120, n_classes)
    task = synthetic_task(
        index, n_train=n_train, n_validation=60, n_test=300, generator=SECOND, seed=index
    )
    assert [len(getattr(task, p)) for p in PARTS] == [n_train, 60, 300]
    assert (task.name, task.family) == (f"{SECOND}/{index}", f"{SECOND}-{index}")
    assert set(task.split("train")[1]) == set(range(n_classes))
    train, validation, test = ({row.tobytes() for row in task.split(p)[0]} for p in PARTS)
    assert not train & validation
    assert not (train | validation) & test


def test_a_seed_changes_all_rows_and_a_draw_the_test_rows():
    def made(**options):
        return synthetic_task(3, n_test=200, generator=SECOND, **options)

    task, again, seeded, drawn = made(), made(), made(seed=1), made(draw=1)
    assert task.digest == again.digest
    assert len({task.digest, seeded.digest, drawn.digest}) == 3
    for part in ("train", "validation"):
        np.testing.assert_array_equal(task.split(part)[0], drawn.split(part)[0])
    assert not np.array_equal(task.split("test")[0], drawn.split("test")[0])


def test_the_same_task_in_any_process():
    code = "from infoprior.tasks import load_task as s; print(*(s(f'synthetic2/{i}', max_test=99).digest for i in (4, 3)))"  # noqa: E501
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    here = [load_task(f"{SECOND}/{i}", max_test=99).digest for i in (4, 3)]
    assert other.stdout.split() == here


def test_it_is_loaded_by_name_and_published_as_the_first_is():
    task = load_task("synthetic2/7", max_test=50)
    assert task.digest == synthetic_task(7, n_test=50, generator=SECOND).digest
    assert task.digest != load_task("synthetic/7", max_test=50).digest
    published = _jobs.published_task("synthetic2/7", 1)
    assert published.digest == synthetic_task(7, draw=1, generator=SECOND).digest


def test_refusals():
    with pytest.raises(TaskError, match="no generator 'synthetic3'"):
        synthetic_task(0, generator="synthetic3")
    with pytest.raises(TaskError, match="numbered from 0"):
        synthetic_task(-1, generator=SECOND)
    with pytest.raises(TaskError, match="whole number"):
        load_task("synthetic2/first")


def test_the_first_generator_still_gives_the_published_tasks():
    """Keys of published jobs end with a fingerprint of the task's rows."""
    from infoprior.fingerprints import fingerprint

    publication = read_publication(PUBLISHED)
    settings = publication.about["settings"]
    size = (settings["shared"], settings["own"], settings["epochs"])
    jobs = publication.tables["jobs"]
    jobs = jobs[(jobs["kind"] == "mlp") & jobs["task"].str.startswith("synthetic/")]
    for job in jobs.sort_values("cpu").iloc[:1600:200].itertuples():
        digest = _jobs.published_task(job.task, int(job.draw)).digest
        arguments = (job.task, int(job.draw), "mlp", *size)
        expected = fingerprint(_jobs.VERSION, "mlp", digest, int(job.draw), *arguments)
        assert job.key.endswith(expected), job.task
