"""What fingerprints raise."""

from __future__ import annotations


class FingerprintError(ValueError):
    """A value has no fingerprint, or an argument is invalid; the message says which and where."""

    def __init__(self, problem: str, place: str = "") -> None:
        super().__init__(f"{place or 'the value'} {problem}")
        self.problem, self.place = problem, place

    def inside(self, place: str) -> FingerprintError:
        """The same error, seen from what the value is in."""
        return FingerprintError(self.problem, f"{place}{self.place}")


class SourceError(ModuleNotFoundError):
    """There is no such package, or none of its sources."""
