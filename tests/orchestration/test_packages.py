"""The packages of `orchestration`: which may import which, what they say they are, their size."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.installation.home import PROJECT

ROOT = PROJECT / "orchestration"
LONGEST_MODULE = 400
# Each package or module of the top, after all that it imports: data walks down this list.
IMPORTS = {
    "installation": set(),
    "contracts": {"installation"},
    "servers": {"contracts", "installation"},
    "landing": {"contracts", "installation"},
    "formats": {"contracts", "installation", "landing"},
    "delivery": {"contracts", "installation", "landing", "servers"},
    "intake": {"contracts", "delivery", "formats", "installation", "landing", "servers"},
    "reports": {"contracts", "delivery", "installation", "intake", "landing"},
    "pages": {"contracts", "delivery", "formats", "installation", "intake", "landing"},
    "defs": {"contracts", "delivery", "installation", "intake", "landing", "pages", "reports"},
    "definitions": {"installation"},
    "dagster_storage": set(),
    "home": {"installation"},
    "job": {"definitions", "installation", "reports"},
    "runs": {"contracts", "installation", "intake", "job", "landing", "reports"},
    "privacy": {
        "contracts",
        "delivery",
        "formats",
        "installation",
        "intake",
        "landing",
        "runs",
    },
    "verbs": {
        "contracts",
        "defs",
        "delivery",
        "installation",
        "intake",
        "landing",
        "pages",
        "privacy",
        "reports",
        "runs",
        "servers",
    },
    "devtools": {"contracts", "installation", "verbs"},
    "__main__": set(),
}
# Who knows DuckDB by name (R33): the warehouse, the reading of bytes, trials, the published copy.
OF_DUCKDB = {
    "delivery.published_copy",
    "formats.text_files",
    "installation.damage",
    "installation.databases",
    "installation.engines",
    "installation.standing",
    "installation.warehouse",
    "intake.trying",
    "pages.published",
}
PACKAGES = sorted(path.parent.name for path in ROOT.glob("*/__init__.py"))
MODULES = sorted(ROOT.rglob("*.py"))


def test_each_package_imports_what_it_may_and_nothing_else() -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for path in MODULES:
        room = _room(path)
        found[room] |= {name.split(".")[1] for name in _imported(path)} - {room}
    assert {room: found[room] for room in found if room != "__init__"} == IMPORTS


def test_the_packages_have_no_circle() -> None:
    before: set[str] = set()
    for room, imported in IMPORTS.items():
        assert imported <= before, room
        before.add(room)


def test_the_modules_have_no_circle() -> None:
    waiting = {_name(path): set(_imported(path, top_level=True)) for path in MODULES}
    while waiting:
        free = {name for name, needed in waiting.items() if not needed & waiting.keys() - {name}}
        assert free, f"a circle among {sorted(waiting)}"
        for name in free:
            del waiting[name]


def test_all_others_have_a_connection_of_whatever_engine() -> None:
    known = {
        _name(path).removeprefix("orchestration.")
        for path in MODULES
        if re.search(r"^\s*(import|from) duckdb\b", path.read_text("utf-8"), re.MULTILINE)
    }
    assert known == OF_DUCKDB


@pytest.mark.parametrize("package", PACKAGES)
def test_each_package_says_what_belongs_in_it_and_what_does_not(package: str) -> None:
    said = ast.get_docstring(ast.parse((ROOT / package / "__init__.py").read_text("utf-8")))
    assert said is not None
    assert "Not here: " in said


def test_no_module_is_long() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in MODULES
        if (count := len(path.read_text("utf-8").splitlines())) > LONGEST_MODULE
    }
    assert long == {}


def _room(path: Path) -> str:
    first = path.relative_to(ROOT).parts[0]
    return first.removesuffix(".py")


def _name(path: Path) -> str:
    return ".".join(path.relative_to(PROJECT).with_suffix("").parts).removesuffix(".__init__")


def _imported(path: Path, *, top_level: bool = False) -> Iterator[str]:
    """The modules of `orchestration` that a module imports, when it is imported or whenever."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in tree.body if top_level else ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or node.module is None:
            continue
        if node.module.partition(".")[0] != "orchestration":
            continue
        for alias in node.names:
            part = PROJECT.joinpath(*node.module.split("."), alias.name)
            is_module = part.is_dir() or part.with_suffix(".py").exists()
            yield f"{node.module}.{alias.name}" if is_module else node.module
