"""Priors from the past: studies, tables of trials, and what somebody believes."""
