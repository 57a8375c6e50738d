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
