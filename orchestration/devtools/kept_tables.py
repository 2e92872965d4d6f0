"""The list of the tables that keep what former loads wrote, from an empty build of the models.

`python -m orchestration.devtools.kept_tables` writes orchestration/installation/kept_tables.json,
in which the number `meaning` stays as it is.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from orchestration.installation import kept_tables, warehouse
from orchestration.installation.dbt_project import run_dbt
from orchestration.installation.home import PROJECT, Home
from orchestration.installation.kept_tables import Tables

_KEEPING = ("incremental", "snapshot")


def find(home: Home) -> Tables:
    """The kept tables of a home whose models have been built."""
    nodes = json.loads((home.root / "target" / "manifest.json").read_text("utf-8"))["nodes"]
    keeping = {
        f"{'marts' if node['database'] == 'marts' else node['schema']}.{node['alias']}"
        for node in nodes.values()
        if node["config"].get("materialized") in _KEEPING
    }
    with warehouse.connect(home) as connection:
        found = kept_tables.read_found(connection)
    return {table: dict(sorted(found[table].items())) for table in sorted(keeping)}


def write() -> None:
    """Write the list."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder), PROJECT / "seeds")
        home.create()
        with warehouse.connect(home):
            pass
        kinds = ("--exclude-resource-type", "unit_test", "--exclude-resource-type", "test")
        run_dbt(home, "build", "--empty", "--quiet", *kinds)
        meaning = kept_tables.read_expected().meaning
        listed = {"meaning": meaning, "tables": find(home)}
        kept_tables.LISTED.write_text(json.dumps(listed, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    write()
