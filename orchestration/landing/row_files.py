"""The rows of the files that landed: one Parquet file for each load and kind (R31).

They are derived from the landed bytes, and named by their hash like these. `raw.row_files` lists
them in the transaction that makes their load count; what it does not list is of no load and is
removed. DuckDB does not notice a changed byte in a Parquet file and reads other rows: whoever
reads a file compares it with its hash first.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from orchestration.installation import row_views, warehouse
from orchestration.installation.databases import Connection, copy_sql, literal_path, quoted
from orchestration.installation.home import Home
from orchestration.installation.whole_files import hash_of, sync_folder
from orchestration.landing.sealing import is_as_named

# Of a file that another one is made of.
_BETWEEN = "snappy"
_KEPT = "zstd"


@dataclass(frozen=True)
class RowFile:
    """A file of rows, as `raw.row_files` lists it.

    Args:
        load_id: the load.
        table_name: the view of `raw` that shows its rows.
        sha256: the hash of its bytes.
        byte_count: the number of its bytes.
        row_count: the number of its rows.
        rows_hash: a hash of its rows; see measure().

    """

    load_id: int
    table_name: str
    sha256: str
    byte_count: int
    row_count: int
    rows_hash: str

    def path(self, home: Home) -> Path:
        """Return its path."""
        return home.rows / row_views.relative_path(self.table_name, self.load_id, self.sha256)

    def is_there(self, home: Home) -> bool:
        """Return whether a file of its name and size exists."""
        try:
            return self.path(home).stat().st_size == self.byte_count
        except OSError:
            return False

    def is_whole(self, home: Home) -> bool:
        """Return whether it is as it was written; reads it once."""
        return self.is_there(home) and is_as_named(self.path(home), self.sha256)

    def describe_fault(self, home: Home) -> str:
        """Say what is wrong with one that is not whole."""
        path = self.path(home)
        return f"{path} {'is not as it was written' if path.exists() else 'is missing'}"


class Collected:
    """The rows of a load's files, in several files until all have come.

    Args:
        connection: the warehouse.
        home: the installation.
        load_id: the load.

    """

    def __init__(self, connection: Connection, home: Home, load_id: int) -> None:
        self._connection = connection
        self._home = home
        self._load_id = load_id
        self._parts: dict[str, dict[Path, str]] = defaultdict(dict)

    def next_part(self, table: str, *, is_only: bool = False) -> tuple[Path, str]:
        """Return where the next rows belong, if there are any, and their compression.

        Args:
            table: their table.
            is_only: whether the load has no other rows of the table.

        """
        part, compression = self._new_part(table), _KEPT if is_only else _BETWEEN
        self._parts[table][part] = compression
        return part, compression

    def keep(self) -> list[RowFile]:
        """Make the files of the load: whole, read once, and on the disk under their names."""
        return [
            self._keep(table, parts)
            for table, begun in self._parts.items()
            if (parts := {part: how for part, how in begun.items() if part.exists()})
        ]

    def remove_parts(self) -> None:
        """Remove what is not kept."""
        for table in self._parts:
            for part in self._folder(table).glob(".*.part"):
                part.unlink(missing_ok=True)

    def _keep(self, table: str, parts: Mapping[Path, str]) -> RowFile:
        part = next(iter(parts))
        if list(parts.values()) != [_KEPT]:
            part = self._new_part(table)
            listed = ", ".join(quoted(literal_path(each)) for each in parts)
            rows = f"from read_parquet([{listed}], hive_partitioning = false)"
            self._connection.execute(copy_sql(rows, part, _KEPT))
        row_count, rows_hash = measure(self._connection, table, part)
        with part.open("rb+") as content:
            os.fsync(content.fileno())
        sha256, byte_count = hash_of(part), part.stat().st_size
        part.chmod(0o600)
        row_file = RowFile(self._load_id, table, sha256, byte_count, row_count, rows_hash)
        part.replace(row_file.path(self._home))
        for folder in (part.parent, *part.parent.parents):
            sync_folder(folder)
            if folder == self._home.landing:
                break
        return row_file

    def _new_part(self, table: str) -> Path:
        folder = self._folder(table)
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f".{uuid.uuid4().hex}.part"

    def _folder(self, table: str) -> Path:
        return (self._home.rows / row_views.relative_path(table, self._load_id, "")).parent


@contextmanager
def collecting(connection: Connection, home: Home, load_id: int) -> Iterator[Collected]:
    """Collect the rows of a load's files; what is not kept when the context ends is removed.

    Args:
        connection: the warehouse.
        home: the installation.
        load_id: the load.

    """
    collected = Collected(connection, home, load_id)
    try:
        yield collected
    finally:
        collected.remove_parts()


def measure(connection: Connection, table: str, path: Path) -> tuple[int, str]:
    """Read a file of rows once; return their number, and a hash of all of them.

    The hash is the same in every version of DuckDB. Between the texts stands what none of them has,
    a NUL; a cell that is missing is as one without text, which no file has. Each row has its file
    and line, so that no two are equal. Their order does not count.
    """
    texts = ", chr(0), ".join(row_views.names_in_file(table))
    ((row_count, content),) = connection.execute(
        f"select count(*), bit_xor(md5_number(concat({texts})))::varchar"  # noqa: S608 (names of ours)
        " from read_parquet(?, hive_partitioning = false)",
        [literal_path(path)],
    ).fetchall()
    return int(row_count), str(content)


def read_listed(connection: Connection) -> list[RowFile]:
    """Return all files of rows that the warehouse lists."""
    return _read(connection, "row_files")


def read_to_read(connection: Connection) -> list[RowFile]:
    """Return those that a build of the newest load may read."""
    return _read(connection, row_views.TO_READ)


def _read(connection: Connection, relation: str) -> list[RowFile]:
    names = ", ".join(each.name for each in fields(RowFile))
    rows = connection.execute(
        f"select {names} from raw.{relation} order by load_id, table_name"  # noqa: S608 (names of ours)
    ).fetchall()
    return [RowFile(*row) for row in rows]


def add_listed(connection: Connection, row_files: list[RowFile]) -> None:
    """List new files of rows and show their rows, in the caller's transaction."""
    warehouse.insert(connection, "row_files", [asdict(each) for each in row_files])
    row_views.show(connection, {each.table_name for each in row_files})


def sweep_load(connection: Connection, home: Home, load_id: int) -> None:
    """Delete what is in the folders of a load and is not listed: a killed run left it."""
    _sweep(connection, home, f"*/load_id={load_id}/*")


def sweep(connection: Connection, home: Home) -> None:
    """Delete every file of rows that is not listed."""
    _sweep(connection, home, "*/*/*")


def find_unlisted(connection: Connection, home: Home, pattern: str = "*/*/*") -> list[Path]:
    """Return the files of rows that are not listed: of a killed run, or of another warehouse."""
    listed = {each.path(home) for each in read_listed(connection)}
    return sorted(path for path in home.rows.glob(pattern) if path not in listed)


def _sweep(connection: Connection, home: Home, pattern: str) -> None:
    for path in find_unlisted(connection, home, pattern):
        path.unlink()


def forget_all(home: Home) -> None:
    """Delete all files of rows, before a replay makes them anew."""
    if home.rows.exists():
        shutil.rmtree(home.rows)
