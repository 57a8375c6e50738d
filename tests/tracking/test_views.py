"""Addresses of the MLflow UI."""

from infoprior.tracking import model_url, runs_url


def test_addresses_open_the_view_for_models_in_a_shared_state():
    """MLflow passes over the shared state where an address has a filter or an order of its own."""
    runs = runs_url("http://127.0.0.1:5000/", "3", "my view&")
    assert runs == (
        "http://127.0.0.1:5000/#/experiments/3/runs"
        "?viewStateShareKey=my%20view%26&workflowType=machine_learning"
    )
    assert runs_url("http://h", "3", "v", charts=True).endswith("&compareRunsMode=CHART")
    assert model_url("http://h/mlflow", "a/b") == (
        "http://h/mlflow/#/models/a%2Fb?workflowType=machine_learning"
    )
