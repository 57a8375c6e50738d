"""Tests and the processes that they start calculate alike.

Importing the stages sets what numerical libraries read when they load. Done here, before any test,
so that a process started by one is not told otherwise than the tests' own libraries were.
"""

import os
import sys

NUMPY = "NPY_DISABLE_CPU_FEATURES"
loaded, before = "numpy" in sys.modules, os.environ.get(NUMPY)

import pipeline.common  # noqa: E402, F401

if loaded and before is None:  # by a plugin of pytest's: it has read its setting
    os.environ.pop(NUMPY, None)
