"""What the fan-out raises."""


class ParallelError(ValueError):
    """An argument or a setting is invalid; the message names it."""


class JobError(RuntimeError):
    """A job failed; the results of the finished ones are kept."""


class EngineError(RuntimeError):
    """The engine cannot be used, or went away; the results of finished jobs are kept."""
