"""Estimators that learn on folds of rows: critics of pairs, classifiers of labels."""
