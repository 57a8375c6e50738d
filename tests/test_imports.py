"""Imports go one way: down the floors that pyproject.toml states, and never in a circle.

import-linter checks the floors of the rooms. Here every import counts that runs, those inside
functions too, between all modules and folders; a name that is imported from a room's face counts
as an import of the module that the face takes it from. What is imported under `TYPE_CHECKING` does
not count: it serves annotations alone, and no program ever runs it.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parents[1]
PACKAGES = ("infoprior", "pipeline")


def read_floors(pyproject: Path = TOP / "pyproject.toml") -> list[list[set[str]]]:
    """The floors of every contract of layers, from the roof down: the modules on each.

    The first are those of the package's rooms, the others those inside rooms.
    """
    contracts = tomllib.loads(pyproject.read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    return [
        [
            {f"{prefix}{name.strip(' ()')}" for name in re.split(r"[|:]", layer)}
            for layer in contract["layers"]
        ]
        for contract in contracts
        if contract["type"] == "layers"
        for prefix in [f"{c}." for c in contract.get("containers", [])] or [""]
    ]


FLOORS = read_floors()


def sources(top: Path, packages: tuple[str, ...]) -> dict[str, Path]:
    """Module -> its file; a package's name stands for its `__init__`."""
    files = {}
    for package in packages:
        for path in sorted((top / package).rglob("*.py")):
            parts = path.relative_to(top).with_suffix("").parts
            files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return files


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def imports(tree: ast.AST, *, run: bool = True) -> Iterator[ast.Import | ast.ImportFrom]:
    """All imports of a module, also those inside functions; with `run` only those that run."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        elif run and is_type_checking(node):
            assert isinstance(node, ast.If)
            for other in node.orelse:
                yield from imports(other, run=run)
        else:
            yield from imports(node, run=run)


class Graph:
    """Who imports whom.

    Attributes:
        edges: module -> the modules that it imports.
    """

    def __init__(self, top: Path = TOP, packages: tuple[str, ...] = PACKAGES) -> None:
        self.files = sources(top, packages)
        self.trees = {name: ast.parse(path.read_text("utf-8")) for name, path in self.files.items()}
        self.edges = {
            name: {
                there
                for node in imports(tree)
                for there in self._targets(name, node)
                if there != name
            }
            for name, tree in self.trees.items()
        }

    def _targets(self, module: str, node: ast.Import | ast.ImportFrom) -> Iterator[str]:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in self.files)
            return
        base = self._base(module, node)
        for alias in node.names:
            yield from self._home(base, alias.name, set())

    def _base(self, module: str, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        is_package = self.files[module].name == "__init__.py"
        parts = module.split(".")
        parts = parts[: len(parts) - node.level + is_package]
        return ".".join([*parts, *([node.module] if node.module else [])])

    def _home(self, base: str, name: str, seen: set[str]) -> Iterator[str]:
        """The module that `from base import name` takes it from, through faces."""
        if f"{base}.{name}" in self.files:
            yield f"{base}.{name}"
        elif base in self.files and self.files[base].name == "__init__.py" and base not in seen:
            for node in imports(self.trees[base], run=False):
                if isinstance(node, ast.ImportFrom) and name in [
                    alias.asname or alias.name for alias in node.names
                ]:
                    yield from self._home(self._base(base, node), name, {*seen, base})
                    return
            yield base
        elif base in self.files:
            yield base

    def siblings(self) -> dict[str, dict[str, set[str]]]:
        """Folder -> child -> the children of the same folder that it imports.

        An import counts where the two modules' ways part: `a.b.c` importing `a.d.e` is an import
        of `a.d` by `a.b`. A folder's face counts as a child of its own, named as the folder.
        """
        levels: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
        for module, others in self.edges.items():
            for other in others:
                ours, theirs = module.split("."), other.split(".")
                n = 0
                while n < min(len(ours), len(theirs)) and ours[n] == theirs[n]:
                    n += 1
                folder = ".".join(ours[:n])
                levels[folder][".".join(ours[: n + 1])].add(".".join(theirs[: n + 1]))
        return levels


def circles(edges: dict[str, set[str]]) -> list[set[str]]:
    """Groups of nodes that reach each other: Tarjan's strongly connected components."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[set[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(edges.get(node, ())):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            at = stack.index(node)
            group = set(stack[at:])
            del stack[at:]
            if len(group) > 1:
                groups.append(group)

    for node in sorted(edges):
        if node not in index:
            visit(node)
    return groups


@pytest.fixture(scope="module")
def graph() -> Graph:
    return Graph()


def test_no_modules_and_no_folders_import_each_other_in_a_circle(graph: Graph) -> None:
    """At every level of folders siblings import each other one way: so no modules circle either."""
    there = {
        folder: [{node.rpartition(".")[2] for node in group} for group in circles(edges)]
        for folder, edges in graph.siblings().items()
    }
    there = {folder: groups for folder, groups in there.items() if groups}
    assert there == {}


def floor_of(module: str, floors: list[set[str]]) -> int | None:
    """Counted from the roof; None for what stands on none of these floors."""
    for number, names in enumerate(floors):
        if any(module == name or module.startswith(f"{name}.") for name in names):
            return number
    return None


@pytest.mark.parametrize("floors", FLOORS, ids=lambda floors: min(floors[-1]))
def test_no_import_goes_up_a_floor(graph: Graph, floors: list[set[str]]) -> None:
    wrong = [
        (module, other)
        for module, others in graph.edges.items()
        for other in others
        if (here := floor_of(module, floors)) is not None
        and (there := floor_of(other, floors)) is not None
        and there < here
    ]
    assert wrong == []


def test_every_module_of_the_package_stands_on_a_floor(graph: Graph) -> None:
    names = {module.split(".")[1] for module in graph.files if module.startswith("infoprior.")}
    assert {name for name in names if floor_of(f"infoprior.{name}", FLOORS[0]) is None} == set()


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A package with a lazy circle between folders, a face, and an import for annotations."""
    files = {
        "house/__init__.py": "",
        "house/one/__init__.py": "if TYPE_CHECKING:\n    from house.one._a import a\n",
        "house/one/_a.py": "def a():\n    from house.two import b\n",
        "house/two/__init__.py": "from house.two._b import b\n",
        "house/two/_b.py": "if TYPE_CHECKING:\n    from house.one import a\n\nb = 1\n",
        "house/two/_c.py": "def c():\n    from ..one import a\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_imports_are_found_inside_functions_and_through_faces(house: Path) -> None:
    graph = Graph(house, ("house",))
    assert graph.edges["house.one._a"] == {"house.two._b"}
    assert graph.edges["house.two._b"] == set()
    assert graph.edges["house.two._c"] == {"house.one._a"}
    assert circles(graph.edges) == []  # of modules there is none, of folders there is one
    assert circles(graph.siblings()["house"]) == [{"house.one", "house.two"}]
    (house / "house/two/_b.py").write_text("from house.one import a\n")
    assert circles(Graph(house, ("house",)).edges) == [{"house.one._a", "house.two._b"}]
