"""Make files of rows anew that are missing or damaged, of the landed bytes (R31).

A build reads a file of rows only after it was compared with its hash here: DuckDB reads other rows
where a byte has changed. A file that is made anew must have the same rows as before, because the
verdicts, debts and hashes of the warehouse were made of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from orchestration.installation import row_views
from orchestration.installation.damage import REPLAY, DamagedError
from orchestration.installation.databases import Connection, transaction
from orchestration.installation.home import Home
from orchestration.installation.messages import Say
from orchestration.intake import copying
from orchestration.landing import manifests, row_files
from orchestration.landing.row_files import RowFile
from orchestration.landing.sealing import missing


def require_to_read(connection: Connection, home: Home, say: Say) -> None:
    """Check the files of rows that a build of the newest load may read, and that all others exist.

    What is damaged or missing is made anew.

    Args:
        connection: the warehouse.
        home: the installation.
        say: called with a sentence for each file that was made anew.

    Raises:
        DamagedError: one cannot be made anew; nothing has changed.

    """
    to_read = set(row_files.read_to_read(connection))
    damaged = [
        each
        for each in row_files.read_listed(connection)
        if not (each.is_whole(home) if each in to_read else each.is_there(home))
    ]
    _require(connection, home, damaged, say)


def require_all(connection: Connection, home: Home, say: Say) -> None:
    """Check every file of rows; its arguments and errors are those of the former."""
    listed = row_files.read_listed(connection)
    _require(connection, home, [each for each in listed if not each.is_whole(home)], say)


def _require(connection: Connection, home: Home, damaged: Sequence[RowFile], say: Say) -> None:
    faults = {each: each.describe_fault(home) for each in damaged}
    anew: dict[RowFile, RowFile] = {}
    for load_id in sorted({each.load_id for each in damaged}):
        made = {each.table_name: each for each in _copy_anew(connection, home, load_id)}
        for former in (each for each in damaged if each.load_id == load_id):
            new = made.get(former.table_name)
            if new is None or _content(new) != _content(former):
                row_files.sweep_load(connection, home, load_id)
                raise DamagedError(
                    f"{faults[former]}, and what landed is not read to the same rows any more:"
                    f" {REPLAY} rebuilds the warehouse"
                )
            anew[former] = new
    if not anew:
        return
    with transaction(connection):
        for former, new in anew.items():
            connection.execute(
                "update raw.row_files set sha256 = ?, byte_count = ?"
                " where load_id = ? and table_name = ?",
                [new.sha256, new.byte_count, former.load_id, former.table_name],
            )
        row_views.show(connection, {former.table_name for former in anew})
    for former, fault in faults.items():
        row_files.sweep_load(connection, home, former.load_id)
        say(f"{fault}: rebuilt from what landed")


def _copy_anew(connection: Connection, home: Home, load_id: int) -> list[RowFile]:
    manifest = manifests.read_manifest(home, load_id)
    if manifest is None:
        raise missing(manifests.manifest_path(home, load_id))
    return copying.copy_anew(connection, home, manifest)


def _content(row_file: RowFile) -> tuple[int, str]:
    return row_file.row_count, row_file.rows_hash
