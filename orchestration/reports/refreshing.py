"""Build everything once more beside the warehouse, look at every row, and compare.

A load adds to what former loads wrote, and its tests look at what it changed. So what is kept could
be wrong, and no load would find it. Here the models are built anew from all that landed, in a copy
of the warehouse (R9), dbt's tests look at all rows, and the kept and published tables are compared.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import CalledProcessError

from orchestration.installation import databases, kept_tables, locking, warehouse
from orchestration.installation.damage import REPLAY, full_disk, is_of_full_disk
from orchestration.installation.databases import fingerprint
from orchestration.installation.dbt_project import run_dbt
from orchestration.installation.errors import ToldError
from orchestration.installation.home import Home
from orchestration.installation.project_yaml import published_tables
from orchestration.installation.redaction import redact

# What a full refresh need not say again: in which load and by which line a debt changed, the hash
# of a row by former rules, and what an organization is told in former words.
_NOT_COMPARED = {
    "marts.debts": ("updated_at", "version_file_id", "version_line_number"),
    "intermediate.int_debts__hashed": ("row_hash",),
    "marts.intake_rejections": ("message",),
}
# dbt's log is not redacted (R30).
_EVERY_ROW = ("--vars", "{tests_every_row: true}", "--log-level-file", "none")
# With the contracts and codes that the newest load was built with.
_MODELS = [
    option for kind in ("seed", "test", "unit_test") for option in ("--exclude-resource-type", kind)
]

Fingerprints = Mapping[str, tuple[int, int]]


class NotRefreshedError(ToldError):
    """The models could not be built once more."""


@contextmanager
def beside(home: Home) -> Iterator[Home]:
    """The home for the copy, empty, and held until the block ends (R29).

    What is in it stays unless the block raises an error; an erasure removes it, too.

    Args:
        home: the installation; the caller holds it.

    Raises:
        WarehouseBusyError: it is being verified already.

    """
    copy = home.verifying
    copy.root.mkdir(parents=True, exist_ok=True)
    with locking.exclusive(copy, wait_seconds=0):
        locking.empty(copy)
        copy.scratch.mkdir()
        try:
            yield copy
        except BaseException:
            locking.empty(copy)
            raise


def copy_warehouse(home: Home, copy: Home) -> None:
    """Copy both files of a warehouse, with what DuckDB has yet to write into them.

    The rows of files are read where they are (R31).

    Args:
        home: the installation; the caller holds its lock.
        copy: where to.

    """
    for path in (home.warehouse, home.marts):
        databases.copy(path, copy.root)
    copy.landing.symlink_to(home.landing.resolve(), target_is_directory=True)


def find_differences(copy: Home) -> Iterator[str]:
    """Build everything anew in a copy; yield what differs and what the tests find, in sentences.

    Raises:
        NotRefreshedError: dbt could not build it; what it said is on the terminal.
        DiskFullError: there was no room for it.

    """
    before = _fingerprints(copy)
    with _explaining_dbt_failures(
        copy, "the models could not be built once more from all that landed"
    ):
        run_dbt(copy, "build", "--full-refresh", *_MODELS, *_EVERY_ROW, is_silent=True)
    after = _fingerprints(copy)
    differing = [table for table in before if after.get(table) != before[table]]
    for table in differing:
        rows, anew = before[table][0], after.get(table, (0, 0))[0]
        yield f"{table} is not what all that landed gives: {rows} rows, and {anew} when rebuilt"
    if differing:
        yield f"compare with {copy.root}; {REPLAY} rebuilds the warehouse"
    yield from _find_failures(copy)


def forget(copy: Home) -> None:
    """Delete a copy in which nothing differs."""
    locking.empty(copy)


def _find_failures(copy: Home) -> Iterator[str]:
    """Run dbt's tests over every row."""
    results = copy.root / "target" / "run_results.json"
    results.unlink(missing_ok=True)
    with _explaining_dbt_failures(copy, "dbt's tests could not be run over all rows"):
        try:
            run_dbt(
                copy, "test", *_EVERY_ROW, "--exclude-resource-type", "unit_test", is_silent=True
            )
        except CalledProcessError:
            failures = list(_read_failures(results))
            if not failures:
                raise
            yield from failures


def _read_failures(results: Path) -> Iterator[str]:
    if not results.exists():
        return
    for each in json.loads(results.read_text(encoding="utf-8"))["results"]:
        if each["status"] not in ("pass", "warn", "success"):
            name = each["unique_id"].split(".")[2]
            yield redact(f"the test {name} over all rows: {each['message']}", os.environ)


@contextmanager
def _explaining_dbt_failures(copy: Home, what: str) -> Iterator[None]:
    """Let dbt hold the copy as long as it lives, and tell it if it failed."""
    try:
        with locking.lent_to_children(copy):
            yield
    except CalledProcessError as error:
        if is_of_full_disk(Exception(error.stdout)):
            raise full_disk(copy.root) from None
        raise NotRefreshedError(f"{what}: dbt says above why") from None


def _fingerprints(copy: Home) -> Fingerprints:
    tables = {*kept_tables.read_expected().tables}
    tables.update(f"marts.{name}" for name in published_tables())
    with warehouse.reading(copy) as connection:
        made = kept_tables.read_found(connection).keys()
        return {
            name: fingerprint(connection, _place(name), _NOT_COMPARED.get(name, ()))
            for name in sorted(tables & made)
        }


def _place(name: str) -> str:
    return name.replace("marts.", "marts.main.")
