"""The generators of synthetic tasks."""

GENERATORS = ("synthetic", "synthetic2")
"""Prefixes of names. Tasks of the first are chosen by how architectures rank on real tables; the
second mixes mechanisms and columns so that encodings of inputs gain what they gain there."""
