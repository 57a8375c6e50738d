"""Estimators that learn on folds of rows: critics of pairs or of labels, probes, discriminants.

- `bounds`: what critics maximise; `critics` and `conv`: stacks of them, for vectors and maps.
- `folds`, `groups`, `crossfit`: which rows train, what is computed together, the training.
- `pairs`: estimators for continuous pairs; `labels` and `lda`: those for labels.
"""
