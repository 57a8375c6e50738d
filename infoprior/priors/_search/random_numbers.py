"""Random numbers that are functions of a seed, a trial's number and a name."""

from __future__ import annotations

import hashlib
import math


def uniforms(seed: int, number: int, name: str) -> tuple[float, float]:
    """Two independent uniform numbers in [0, 1), to 53 bits.

    A keyed hash is a counter-based generator: nothing to lock, copy or reseed. NumPy's
    generators take ten times as long to seed.
    """
    key = f"{seed}/{number}/{name}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(key, digest_size=16).digest()
    first, second = int.from_bytes(digest[:8], "big"), int.from_bytes(digest[8:], "big")
    return math.ldexp(first >> 11, -53), math.ldexp(second >> 11, -53)


def van_der_corput(number: int, shift: float) -> float:
    """A trial's place in van der Corput's sequence in base 2, shifted, in [0, 1).

    Where a source proposes the trials whose place is below its weight, these are spread as evenly
    as can be, so that it soon has others to be compared with.

    Args:
        number: the trial's; the sequence repeats after 2^32.
        shift: in [0, 1), added modulo 1.
    """
    return (int(f"{number & 0xFFFFFFFF:032b}"[::-1], 2) / 2**32 + shift) % 1.0
