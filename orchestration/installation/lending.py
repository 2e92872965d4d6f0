"""What Spark is lent before a build: the rows of `raw`, as Parquet files (R33).

What macros/lending.sql compares is lent, too: how many rows each file has, and local times.
"""

from __future__ import annotations

from pathlib import Path

from orchestration.installation.databases import Connection, quoted
from orchestration.installation.project_yaml import RawTable, raw_tables

# Of each time zone of the newest load's contracts: the first of each month, from a year before the
# load to a year after it.
_LOCAL_TIMES = """
    select
        zones.time_zone,
        timezone('UTC', months.instant) as instant,
        timezone('UTC', timezone(zones.time_zone, timezone('UTC', months.instant))) as local_time
    from (
        select distinct organizations.time_zone
        from raw.contract_organizations as organizations
        inner join raw.loads as newest on organizations.contracts = newest.contracts
        where newest.load_id = (select max(load_id) from raw.loads)
    ) as zones
    cross join (
        select unnest(
            generate_series(
                date_trunc('month', max(loaded_at)) - interval 12 month,
                max(loaded_at) + interval 12 month,
                interval 1 month
            )
        ) as instant
        from raw.loads
    ) as months
"""


def lend(connection: Connection, folder: Path, load_id: int | None) -> None:
    """Write the tables of `raw` as Parquet files, one for each, and what is compared with them.

    Args:
        connection: the warehouse.
        folder: where to.
        load_id: of tables whose rows are written once, the load whose rows are written, or None for
            all.

    """
    counts = []
    for name, table in raw_tables().items():
        which = f" where load_id = {load_id}" if load_id and table.is_by_load else ""
        rows = f"select {_as_spark_reads(table)} from raw.{name}{which}"  # noqa: S608 (names of ours)
        counts.append(f"('{name}', {_write(connection, rows, folder / f'{name}.parquet')})")
    rows = f"select * from (values {', '.join(counts)}) as lent (table_name, row_count)"  # noqa: S608 (names of ours)
    _write(connection, rows, folder / "counts.parquet")
    _write(connection, _LOCAL_TIMES, folder / "time_zones.parquet")


def _as_spark_reads(table: RawTable) -> str:
    """Return the columns. Spark takes an instant without a zone for one of its own time zone."""
    return ", ".join(
        f"timezone('UTC', {column.name}) as {column.name}"
        if column.data_type == "timestamp"
        else column.name
        for column in table.columns
    )


def _write(connection: Connection, rows: str, path: Path) -> int:
    """Write rows as a Parquet file, and return how many they are."""
    written = connection.execute(f"copy ({rows}) to {quoted(path)} (format parquet)")
    return int(written.fetchall()[0][0])
