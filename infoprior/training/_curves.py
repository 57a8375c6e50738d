"""What a learning curve holds, and at which epochs Hyperband looks at it."""

RUNGS = (1, 3, 9, 27)
"""The fidelities of Hyperband, in epochs: eta = 3 and at most 27 epochs."""

CURVE_COLUMNS = (
    "epoch",
    "train_loss",
    "validation_loss",
    "test_loss",
    "train_accuracy",
    "validation_accuracy",
    "test_accuracy",
    "diverged",
)
"""Keys of a row of a learning curve, one row a recorded epoch: losses are mean cross-entropies in
nats a row, accuracies lie in [0, 1], `diverged` is a bool."""

CurveRow = dict[str, float]
"""A row, by the names of `CURVE_COLUMNS`."""
