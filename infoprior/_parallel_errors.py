"""What the fan-out, its files and its fingerprints raise; public in `infoprior.parallel`."""


class ParallelError(ValueError):
    """An argument or a setting cannot be; the message names it."""


class SourceError(ModuleNotFoundError):
    """There is no such package, or none of its sources."""


class JobError(RuntimeError):
    """A job failed; the finished ones are kept."""


class EngineError(RuntimeError):
    """The engine cannot be used or went away; the finished jobs are kept."""
