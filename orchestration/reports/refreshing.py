"""Build everything once more beside the warehouse, look at every row, and compare.

A load adds to what former loads wrote, and its tests look at what it changed. So what is kept could
be wrong, and no load would find it. Here the models are built anew from all that landed, in a copy
of the warehouse (R9), dbt's tests look at all rows, and the kept and published tables are compared.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from subprocess import CalledProcessError

from orchestration.installation import kept_tables, locking, warehouse
from orchestration.installation.damage import REPLAY
from orchestration.installation.databases import fingerprint
from orchestration.installation.dbt_project import run_dbt
from orchestration.installation.errors import ToldError
from orchestration.installation.home import Home
from orchestration.installation.project_yaml import published_tables

# A full refresh does not know in which load a debt changed, nor by which line.
_OF_THE_LOAD = {"marts.debts": ("updated_at", "version_file_id", "version_line_number")}
_EVERY_ROW = ("--vars", "{tests_every_row: true}")
_WITHOUT_TESTS = ("--exclude-resource-type", "test", "--exclude-resource-type", "unit_test")

Fingerprints = Mapping[str, tuple[int, int]]


class NotRefreshedError(ToldError):
    """The models could not be built once more."""


@contextmanager
def beside(home: Home) -> Iterator[Home]:
    """A home for the copy, empty and held until the block ends (R29).

    It stays if the block raises an error. An erasure removes it, too.

    Raises:
        WarehouseBusyError: another process still held it after half an hour.

    """
    copy = Home(home.scratch / "verifying", home.seeds)
    copy.root.mkdir(parents=True, exist_ok=True)
    with locking.exclusive(copy):
        _empty(copy)
        copy.scratch.mkdir()
        yield copy


def copy_warehouse(home: Home, copy: Home) -> None:
    """Copy both files of a warehouse, with what DuckDB has yet to write into them.

    Args:
        home: the installation; the caller holds its lock.
        copy: where to.

    """
    for path in (home.warehouse, home.marts):
        for each in (path, warehouse.log_path(path)):
            if each.exists():
                shutil.copyfile(each, copy.root / each.name)


def find_differences(copy: Home) -> Iterator[str]:
    """Build everything anew in a copy; yield what differs and what the tests find, in sentences.

    Raises:
        NotRefreshedError: dbt could not build it; what it said is on the terminal.

    """
    before = _fingerprints(copy)
    try:
        run_dbt(copy, "build", "--full-refresh", *_WITHOUT_TESTS, *_EVERY_ROW, is_silent=True)
    except CalledProcessError:
        raise NotRefreshedError(
            "the models could not be built once more from all that landed: dbt says above why"
        ) from None
    after = _fingerprints(copy)
    for table, (count, _) in before.items():
        if after[table] != before[table]:
            yield (
                f"{table} is not what all that landed gives: {count} rows, and {after[table][0]} in"
                f" {copy.root}, where they can be compared; {REPLAY} makes the warehouse anew"
            )
    yield from _find_failures(copy)


def forget(copy: Home) -> None:
    """Delete a copy in which nothing differs."""
    _empty(copy)


def _find_failures(copy: Home) -> Iterator[str]:
    """Run dbt's tests over every row."""
    results = copy.root / "target" / "run_results.json"
    results.unlink(missing_ok=True)
    try:
        run_dbt(copy, "test", "--exclude-resource-type", "unit_test", *_EVERY_ROW, is_silent=True)
    except CalledProcessError:
        if not results.exists():
            raise NotRefreshedError("dbt's tests could not be run: it says above why") from None
        for each in json.loads(results.read_text(encoding="utf-8"))["results"]:
            if each["status"] not in ("pass", "warn", "success"):
                name = each["unique_id"].split(".")[2]
                yield f"the test {name} over all rows: {each['message']}"


def _fingerprints(copy: Home) -> Fingerprints:
    tables = {*kept_tables.read_expected().tables}
    tables.update(f"marts.{name}" for name in published_tables())
    with warehouse.reading(copy) as connection:
        made = kept_tables.read_found(connection).keys()
        return {
            name: fingerprint(connection, _place(name), _OF_THE_LOAD.get(name, ()))
            for name in sorted(tables & made)
        }


def _place(name: str) -> str:
    return name.replace("marts.", "marts.main.")


def _empty(copy: Home) -> None:
    for path in copy.root.iterdir():
        if path.name == "run.lock":
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
