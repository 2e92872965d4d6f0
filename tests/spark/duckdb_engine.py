"""What DuckDB made of each load, beside what landed with it: the same rows go to Spark.

DuckDB reads the bytes (R14), so the tables of `raw` are its. Those of a load are written as Parquet
before its models are built, as they are then.
"""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb

from orchestration.delivery import ledger
from orchestration.installation import lending, warehouse
from orchestration.installation.home import Home
from orchestration.intake import loads
from tests.orchestration.building import BUILD, run_dbt
from tests.orchestration.starting import lend_parse

# A process has a database open once.
_one_at_a_time = threading.Lock()
_WITHOUT_TESTS = ("--exclude-resource-type", "test")


@dataclass(frozen=True)
class DuckDBEngine:
    """The models of an installation on DuckDB.

    Args:
        home: where everything is, and its contracts.

    """

    home: Home

    @classmethod
    def replaying(cls, former: Home, root: Path) -> DuckDBEngine:
        """An installation without a warehouse, in which lands what landed in another one."""
        home = Home(root, former.seeds)
        home.create()
        for folder, copy in ((former.landing, home.landing), (former.events, home.events)):
            shutil.copytree(folder, copy, dirs_exist_ok=True)
        lend_parse(home)
        return cls(home)

    def land(self) -> tuple[int, Path]:
        """Have the next load be in `raw`.

        Returns:
            Its number, and the folder with what is lent of the tables of `raw`, a file each.

        """
        with warehouse.connect(self.home) as connection:
            carried = loads.carry_landed(connection, self.home)
            assert carried is not None
            load_id = carried.manifest.load_id
            self._take_ledger(connection, load_id)
            folder = self.home.scratch / "lent_to_spark"
            folder.mkdir(parents=True, exist_ok=True)
            lending.lend(connection, folder, load_id)
        return load_id, folder

    def build(self, *options: str) -> None:
        """Build the models; options are dbt's."""
        run_dbt(self.home, *BUILD, *_WITHOUT_TESTS, *options)

    def rules(self) -> str:
        """What the hashes of rows cover of the SQL that reads a row, after a build."""
        models = self.home.root / "target" / "compiled" / "saldo" / "models"
        sql = (models / "staging" / "stg_intake__invoice_texts.sql").read_text("utf-8")
        (rules,) = set(re.findall(r"'([0-9a-f]{32})'", sql))
        return str(rules)

    def finish(self, load_id: int) -> None:
        """Note that the models have processed a load."""
        with warehouse.connect(self.home) as connection:
            warehouse.finish_load(connection, load_id)

    def rows(self, schema: str, name: str) -> tuple[Sequence[str], list[tuple[Any, ...]]]:
        """The columns of a relation, and its rows."""
        with _one_at_a_time, warehouse.reading(self.home) as connection:
            found = connection.execute(f'select * from "{schema}"."{name}"')
            return [column[0] for column in found.description], found.fetchall()

    def _take_ledger(self, connection: duckdb.DuckDBPyConnection, load_id: int) -> None:
        """Take what was delivered before a load: each load had its batch."""
        for batch_id, attempts in ledger.read_attempts(
            self.home, after=warehouse.last_batch_id(connection)
        ):
            if batch_id < load_id:
                rows = [{"batch_id": batch_id, **asdict(attempt)} for attempt in attempts]
                warehouse.insert(connection, "deliveries", rows)
