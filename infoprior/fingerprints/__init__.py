"""Fingerprints: short hashes of values, and of the source code that computes with them."""

from infoprior.fingerprints._canonical import canonical_text
from infoprior.fingerprints._errors import FingerprintError, SourceError
from infoprior.fingerprints._fingerprint import fingerprint, source_fingerprint

__all__ = [
    "FingerprintError",
    "SourceError",
    "canonical_text",
    "fingerprint",
    "source_fingerprint",
]
