"""The settings of PyTorch and NumPy that a caller has made, put aside while this package computes.

Modes, default dtypes and devices reach into every call that is made under them: critics would be
trained without gradients inside `torch.no_grad()`, in 8 bits of mantissa under `torch.autocast`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from threading import RLock
from typing import Any

_DEVICES = ("cpu", "cuda", "xpu", "mps", "hpu", "ipu", "xla", "mtia", "maia", "privateuseone")
_PRECISIONS = (
    ("generic", "all"), ("mkldnn", "all"), ("mkldnn", "matmul"), ("mkldnn", "conv"),
    ("cuda", "matmul"),
)  # fmt: skip
_DENORMAL = 5e-324


class ProcessSettings:
    """Settings of the whole process, put aside by blocks that several threads have open at once.

    Blocks may end in any order: one that others were opened after leaves what it has put aside to
    the next of them, and so the last one to end puts back what was before the first.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._open: list[list[Callable[[], None]]] = []  # what ends each open block, in order

    @contextmanager
    def put_aside(self, change: Callable[[], Callable[[], None]]) -> Iterator[None]:
        """A block in which settings are others.

        Args:
            change: makes them so, and returns what puts back those that were before.
        """
        with self._lock:
            mine = [change()]
            self._open.append(mine)
        try:
            yield
        finally:
            with self._lock:
                place = next(i for i, block in enumerate(self._open) if block is mine)
                if place + 1 < len(self._open):
                    self._open[place + 1][:] = mine
                else:
                    mine[0]()
                del self._open[place]


_process = ProcessSettings()


@contextmanager
def default_settings() -> Iterator[None]:
    """Compute by the defaults of PyTorch and NumPy inside the block, whatever the caller has set.

    Inside, gradients are recorded, nothing is in inference mode or autocast on any device, tensors
    are float32 on the CPU unless their maker says otherwise, products of float32 have its full
    precision, denormal numbers are kept, and neither hooks on saved tensors nor anomaly detection
    nor the refusal of algorithms that are not deterministic are on. NumPy's floating point errors
    are silent: what is not finite is looked for where it matters, and flagged there.

    After the block, also after an exception, everything is as it was. Most of it belongs to the
    calling thread. What belongs to the process (the default dtype, precision, anomaly detection,
    deterministic algorithms) comes back when the last block of several threads ends.

    `@default_settings()` decorates a function, though no generator, whose body runs later.
    """
    import numpy as np

    with ExitStack() as stack:
        stack.enter_context(np.errstate(all="ignore"))
        # A PyTorch that is not loaded has its defaults.
        if "torch" in sys.modules:
            _enter_thread(stack)
            stack.enter_context(_process.put_aside(_change))
        yield


def _enter_thread(stack: ExitStack) -> None:
    """What PyTorch keeps for each thread."""
    import torch

    stack.enter_context(torch.inference_mode(False))
    stack.enter_context(torch.enable_grad())
    for device in _DEVICES:
        try:
            enabled = torch.is_autocast_enabled(device)
        except RuntimeError:  # a PyTorch that does not know the device
            continue
        if enabled:
            torch.set_autocast_enabled(device, False)
            stack.callback(torch.set_autocast_enabled, device, True)
    # A default device is a mode that sees every call, which costs: only on top of another one.
    if torch.overrides._get_current_function_mode_stack():
        stack.enter_context(torch.device("cpu"))
    if _DENORMAL * 1.0 == 0.0:
        torch.set_flush_denormal(False)
        stack.callback(torch.set_flush_denormal, True)
    top = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", lambda _: True)
    if top(True) is not None:
        stack.enter_context(torch.autograd.graph.saved_tensors_hooks(_same, _same))


def _same(value: Any) -> Any:
    return value


def _change() -> Callable[[], None]:
    """What PyTorch keeps for the process is set to its defaults."""
    before = []
    for read, write, default in _settings():
        before.append(read())
        if before[-1] != default:
            write(default)

    def put_back() -> None:
        for (read, write, _), value in reversed(list(zip(_settings(), before, strict=True))):
            if read() != value:
                write(value)

    return put_back


@lru_cache(maxsize=1)
def _settings() -> list[tuple[Callable[[], Any], Callable[[Any], Any], Any]]:
    """How each is read and written, and its default."""
    import torch

    def anomaly() -> tuple[bool, bool]:
        return torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()

    def deterministic() -> tuple[bool, bool]:
        return (
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
        )

    return [
        (torch.get_default_dtype, torch.set_default_dtype, torch.float32),
        (anomaly, lambda pair: torch.set_anomaly_enabled(*pair), (False, True)),
        (
            deterministic,
            lambda pair: torch.use_deterministic_algorithms(pair[0], warn_only=pair[1]),
            (False, False),
        ),
        (_matmul_precision, torch.set_float32_matmul_precision, "highest"),
        *(_precision(*place) for place in _PRECISIONS),
    ]


def _matmul_precision() -> str:
    import torch

    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:  # said in the other way, by backend: `_precision`
        return "highest"


def _precision(backend: str, operation: str) -> tuple[Callable[[], Any], Callable[[Any], Any], Any]:
    """`torch.backends.<backend>.<operation>.fp32_precision`, of PyTorch 2.9 and later."""
    import torch

    get = getattr(torch._C, "_get_fp32_precision_getter", lambda *_: "none")

    def read() -> str:
        value = get(backend, operation)
        return "ieee" if value == "none" else value

    def write(value: str) -> None:
        torch._C._set_fp32_precision_setter(backend, operation, value)

    return read, write, "ieee"
