"""Which draws from the mix are behind the indices, chosen to resemble real tables.

`python benchmarks/generator.py --fit` wrote it, from the training families of real tasks only.
Bit k of `_KEPT`, counted from the lowest, says that draw k of the first `_POOL` is kept.
"""

_POOL = 0
_KEPT = 0x0

NUMBERS = tuple(k for k in range(_POOL) if _KEPT >> k & 1)


def concept_of(index: int) -> int:
    """The draw behind an index: the kept ones in order, then all draws after the pool."""
    return NUMBERS[index] if index < len(NUMBERS) else _POOL + index - len(NUMBERS)
