"""The rules of portable SQL applied to files: the project's own, and what they compile to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestration.devtools.portability.rules import Fault, find_faults

_OF_ENGINE = re.compile(r"\{%-?\s*(if|elif)\b[^%]*\b(target|adapter)\.")
_VARCHAR = re.compile(r"^[^:]*(?:: |\{name: [a-z_0-9]+, data_type: )varchar\b(?!\s*\()")


def find_in_sources(project: Path) -> Iterator[tuple[Path, Fault]]:
    """Find types that only DuckDB knows in YAML, and models that ask for their engine.

    Args:
        project: the folder of the dbt project.

    Yields:
        The file of each fault, and the fault.

    """
    for path in _files(project, "yml"):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if _VARCHAR.search(line):
                yield path, Fault("varchar", number, "a type without a length: write `string`")
    for path in _files(project, "sql"):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if _OF_ENGINE.search(line):
                message = "a model does not ask for its engine: write a macro for each"
                yield path, Fault("asks_for_engine", number, message)


def find_in_compiled(folders: Sequence[Path], engine: str) -> Iterator[tuple[Path, Fault]]:
    """Find the faults of compiled SQL; what two builds have in common is read once.

    Args:
        folders: of compiled SQL.
        engine: for which it was compiled.

    Yields:
        The file of each fault, and the fault.

    """
    read = set()
    for folder in folders:
        for path in sorted(folder.rglob("*.sql")):
            sql = path.read_text("utf-8")
            if sql in read:
                continue
            read.add(sql)
            for fault in find_faults(sql, engine):
                yield path, fault


def _files(project: Path, suffix: str) -> Iterator[Path]:
    for folder in ("models", "snapshots", "seeds"):
        yield from sorted((project / folder).rglob(f"*.{suffix}"))
