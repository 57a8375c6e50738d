"""Names of a package that are loaded when they are first used, so that importing it costs little.

A package states its imports once, under `if TYPE_CHECKING:`, where editors and type checkers
follow them, and what is public in `__all__`:

    if TYPE_CHECKING:
        from infoprior.training._train import TrainedNetwork, train

    __all__ = ["TrainedNetwork", "train"]
    __getattr__, __dir__ = lazy(__name__)
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module


def lazy(package: str) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` (PEP 562) of a package whose imports are for type checkers only.

    Args:
        package: its `__name__`.
    """
    homes: dict[str, str] = {}

    def get(name: str) -> object:
        public = sys.modules[package].__all__
        if name not in public:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        if not homes:
            homes.update(_imports(package))
        return getattr(import_module(homes[name]), name)

    return get, lambda: sorted(sys.modules[package].__all__)


def _imports(package: str) -> dict[str, str]:
    """Name -> module, as the package's own source says under `if TYPE_CHECKING:`."""
    import ast

    spec = sys.modules[package].__spec__
    source = spec.loader.get_source(package)  # type: ignore[union-attr]
    blocks = [
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    return {
        alias.name: str(statement.module)
        for block in blocks
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
