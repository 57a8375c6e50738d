"""The generator of synthetic tasks."""
