"""What is drawn is what the marginals say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from infoprior.priors import Prior, PriorError
from tests.priors.spaces import EVERY_KIND, prior_over

pytest.importorskip("matplotlib")


def test_every_kind_of_parameter_is_drawn_as_times_uniform(tmp_path: Path) -> None:
    space = {**EVERY_KIND, "large": IntDistribution(1, 10**9, log=True)}
    prior = prior_over(space)
    figure = prior.plot(label="mine", title="All of it")
    panels = {ax.get_title(): ax for ax in figure.axes if ax.get_visible()}
    assert list(panels) == list(space)
    bars = [patch.get_height() for patch in panels["categorical"].patches]
    share = prior.marginal("categorical").probabilities
    assert share is not None
    np.testing.assert_allclose(bars, share * 5)
    line = panels["stepped_int"].get_lines()[-1]
    chance = prior.marginal("stepped_int")
    np.testing.assert_array_equal(line.get_xdata(), chance.values)
    assert chance.probabilities is not None
    np.testing.assert_allclose(line.get_ydata(), chance.probabilities * len(chance.values))
    assert panels["log_float"].get_xscale() == "log"
    assert panels["float"].get_xscale() == "linear"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["mine"]
    figure.savefig(tmp_path / "prior.png")


def test_other_priors_are_drawn_over_it() -> None:
    space = {"x": FloatDistribution(0, 1), "c": CategoricalDistribution("abc")}
    prior = prior_over(space)
    narrow = prior.restrict({"x": FloatDistribution(0.5, 1), "c": CategoricalDistribution("ca")})
    figure = prior.plot({"narrow": narrow, "uniform": Prior.uniform(space)})
    x, c = (ax for ax in figure.axes if ax.get_visible())
    assert len(x.get_lines()) == 4  # with the one of uniform's own level
    assert min(x.get_lines()[2].get_xdata()) == 0.5
    assert len(c.patches) == 3 + 2 + 3
    assert [text.get_text() for text in c.get_xticklabels()] == ["a", "b", "c"]
    heights = {round(p.get_x() + p.get_width() / 2): p.get_height() for p in c.patches[3:5]}
    chances = dict(zip("ca", narrow.marginal("c").probabilities, strict=True))
    assert heights == {2: pytest.approx(2 * chances["c"]), 0: pytest.approx(2 * chances["a"])}


def test_other_names_are_refused() -> None:
    prior = prior_over({"x": FloatDistribution(0, 1)})
    with pytest.raises(PriorError, match="different spaces"):
        prior.plot({"other": prior_over({"y": FloatDistribution(0, 1)})})
