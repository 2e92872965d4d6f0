"""A peer: dlt's merge of a debts file into DuckDB, Arrow tables in.

`python -m tests.bench.peer_dlt FILE FOLDER`, run by the peers' interpreter. It neither validates
nor keeps history, and debts that the file no longer lists stay.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow
from pyarrow import csv

KEY = ("customer_id", "product_id", "due_date")
BLOCK_BYTES = 64 << 20


def read_batches(path: Path) -> Iterator[pyarrow.Table]:
    """The file in Arrow tables, every column text."""
    with csv.open_csv(path) as probe:
        names = probe.schema.names
    with csv.open_csv(
        path,
        read_options=csv.ReadOptions(block_size=BLOCK_BYTES),
        convert_options=csv.ConvertOptions(column_types=dict.fromkeys(names, pyarrow.string())),
    ) as batches:
        for batch in batches:
            yield pyarrow.Table.from_batches([batch])


def main(path: Path, folder: Path) -> None:
    """Merge one file."""
    os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
    os.environ["LOAD__WORKERS"] = os.environ["NORMALIZE__WORKERS"] = str(os.cpu_count() or 2)
    import dlt

    debts = dlt.resource(
        read_batches(path), name="debts", primary_key=KEY, write_disposition="merge"
    )
    pipeline = dlt.pipeline(
        "peer",
        pipelines_dir=str(folder / "pipelines"),
        destination=dlt.destinations.duckdb(str(folder / "peer_dlt.duckdb")),
        dataset_name="peer",
    )
    pipeline.run(debts)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
