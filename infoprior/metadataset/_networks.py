"""The frame of networks with their own profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from infoprior._arguments import whole_number
from infoprior.metadataset._schema import MetaDatasetError
from infoprior.metadataset._tables import measured_layers

if TYPE_CHECKING:
    from infoprior.metadataset._dataset import MetaDataset

KEY = ["task", "architecture", "seed"]
MEASURED = (
    "width", "mi_xt", "mi_ty", "mi_ty_training_rows", "mi_ty_validation_rows", "effective_rank",
    "dead_units", "activation_entropy",
)  # fmt: skip
"""Columns of a layer that the frame has."""


def networks_of(meta: MetaDataset, epoch: int | None) -> pd.DataFrame:
    """See `MetaDataset.networks`."""
    layers = meta.layers
    read = sorted(set(layers["epoch"]))
    if epoch is not None:
        epoch = whole_number(epoch, "epoch", 1, MetaDatasetError)
    if not read or (epoch is not None and epoch not in read):
        raise MetaDatasetError(
            f"No layer of {meta!r} was read at epoch {epoch}; there are those of epochs {read}."
            if read else f"No layer of {meta!r} was read."
        )  # fmt: skip
    epoch = read[-1] if epoch is None else epoch
    layers = layers[layers["epoch"] == epoch]
    entropy = layers.groupby(KEY, sort=True)["h_y"].first()
    # The k-th hidden layer, whatever stands in front of it and isn't hidden.
    place = layers.sort_values("layer_index").groupby(KEY, sort=False).cumcount() + 1
    measured = measured_layers(layers.assign(place=place))
    wide = measured.pivot(index=KEY, columns="place", values=list(MEASURED))
    wide.columns = pd.Index([f"layer{c[1]}_{c[0]}" for c in wide.columns])
    wide = wide[sorted(wide.columns)].reindex(entropy.index).assign(h_y=entropy)
    at = meta.curves[meta.curves["epoch"] == epoch].set_index(KEY)
    last = meta.curves.sort_values("epoch", kind="stable").groupby(KEY, sort=False).tail(1)
    ends = last.set_index(KEY)[["validation_accuracy", "test_accuracy", "diverged"]]
    wide["validation_accuracy_at"] = at["validation_accuracy"].reindex(wide.index)
    wide["train_loss_at"] = at["train_loss"].reindex(wide.index)
    frame = wide.join(ends).reset_index()
    about = frame[KEY].merge(meta.tasks[["task", "family", "kind"]], on="task", how="left")
    taken = {*frame.columns, *about.columns} - {"architecture"}
    points = meta.architectures.rename(
        columns={name: f"parameter/{name}" for name in meta.space if name in taken}
    )
    about = about.merge(points, on="architecture", how="left")
    order = ["task", "family", "kind", "architecture", "seed"]
    about = about[order + [c for c in about.columns if c not in order]]
    return pd.concat([about, frame.drop(columns=KEY)], axis=1)
