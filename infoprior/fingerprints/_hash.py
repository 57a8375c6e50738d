"""The one hash of this package."""

from __future__ import annotations

import hashlib
from typing import Any


def content_hash(content: Any) -> str:
    """SHA-256 of bytes or an array of them, as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()
