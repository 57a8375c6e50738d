"""The room's error."""


class TrackingError(RuntimeError):
    """Runs cannot be logged or shown: says where, why, and what to do."""
