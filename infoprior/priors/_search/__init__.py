"""Priors in Optuna: samplers, promotion, studies and the storages they live in."""
