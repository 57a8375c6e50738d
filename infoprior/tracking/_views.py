"""Addresses of the MLflow UI, and what it shows there.

The UI keeps the view that a user shares (filter, order, columns, charts) as a tag of the
experiment, and opens it where an address names the tag. The state is the one that MLflow 3 reads;
other versions leave out what they do not know.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

VIEW_TAG = "mlflow.sharedViewState."


@dataclass(frozen=True)
class View:
    """A list of runs, the newest first, and their charts.

    MLflow shows nested runs below their own in this order only.

    Attributes:
        filter: of the runs, as in MLflow's search field.
        columns: of the list: `metrics.<name>`, `params.<name>`, `tags.<name>` or
            `attributes.<name>` (Models, Dataset, ...).
        bars: metrics drawn as bars.
        lines: metrics drawn against their step.
    """

    filter: str
    columns: Sequence[str] = ()
    bars: Sequence[str] = ()
    lines: Sequence[str] = ()

    def state(self) -> dict[str, Any]:
        """As the UI stores it."""
        section = "infoprior-charts"
        charts = [_chart("BAR", name, section) for name in self.bars]
        charts += [_chart("LINE", name, section) for name in self.lines]
        return {
            "searchFilter": self.filter,
            "orderByKey": "attributes.start_time",
            "orderByAsc": False,
            "selectedColumns": [_key(column) for column in self.columns],
            "runsHiddenMode": "SHOW_ALL",  # and not only the first ten
            "compareRunCharts": charts,
            "compareRunSections": [
                {
                    "uuid": section,
                    "name": "What decides",
                    "display": True,
                    "isReordered": True,
                    "deleted": False,
                    "isGenerated": False,
                }
            ],
            "isAccordionReordered": True,
        }


def runs_url(server: str, experiment_id: str, view: str, *, charts: bool = False) -> str:
    """The address of an experiment's runs in a view that was shared under this key.

    Args:
        server: address of the UI.
        experiment_id: MLflow's.
        view: the key.
        charts: show charts beside the list.
    """
    query = f"viewStateShareKey={quote(view, safe='')}&workflowType=machine_learning"
    if charts:
        query += "&compareRunsMode=CHART"
    return f"{server.rstrip('/')}/#/experiments/{experiment_id}/runs?{query}"


def model_url(server: str, name: str) -> str:
    """The address of a registered model and its versions.

    Args:
        server: address of the UI.
        name: of the registered model.
    """
    return f"{server.rstrip('/')}/#/models/{quote(name, safe='')}?workflowType=machine_learning"


def _key(column: str) -> str:
    kind, _, name = column.partition(".")
    return f"{kind}.`{name}`"


def _chart(kind: str, metric: str, section: str) -> dict[str, Any]:
    chart = {
        "uuid": f"{kind.lower()}-{metric}",
        "type": kind,
        "metricKey": metric,
        "displayName": metric,
        "metricSectionId": section,
        "isGenerated": False,
        "deleted": False,
        "runsCountToCompare": 100,
    }
    if kind == "LINE":
        chart |= {
            "xAxisKey": "step",
            "useGlobalXaxisKey": False,
            "xAxisScaleType": "linear",
            "scaleType": "linear",
            "lineSmoothness": 0,
            "useGlobalLineSmoothing": False,
            "yAxisKey": "metric",
            "yAxisExpressions": [],
            "selectedMetricKeys": [metric],
            "selectedXAxisMetricKey": "",
            "displayPoints": True,
            "range": {},
            "ignoreOutliers": False,
        }
    return chart
