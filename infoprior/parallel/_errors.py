"""What the fan-out raises."""


class ParallelError(ValueError):
    """An argument or a setting cannot be; the message names it."""


class JobError(RuntimeError):
    """A job failed; the finished ones are kept."""


class EngineError(RuntimeError):
    """The engine cannot be used or went away; the finished jobs are kept."""
