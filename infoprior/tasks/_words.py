"""What error messages are made of: close names, and other errors in short."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def suggestion(word: str, known: Iterable[str]) -> str:
    """The closest known words, as a message continues: ", did you mean 'x' or 'y'?".

    Args:
        word: what was given.
        known: what there is.

    Returns:
        an empty text where none is close.
    """
    known = list(known)
    lower = {k.lower(): k for k in known}
    close = difflib.get_close_matches(word.lower(), lower, n=3, cutoff=0.6)
    names = " or ".join(repr(lower[c]) for c in close)
    return f", did you mean {names}?" if close else ""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type where there is none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
