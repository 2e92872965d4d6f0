"""dbt alone (R34): its commands in a fresh clone and beside a warehouse in use, with nothing else.

No make, no Dagster, no variable: the virtual environment's dbt, in the project's folder. It builds
a fresh clone and a warehouse in use; what else is asked of the latter, a forked one does.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.devtools.demo.samples import DAYS
from orchestration.installation import warehouse
from orchestration.installation.home import Home
from orchestration.installation.project_yaml import raw_tables
from orchestration.installation.row_views import row_tables
from tests.orchestration.clones import Clone, make_clone
from tests.orchestration.damaging import flip
from tests.orchestration.forking import run_module
from tests.orchestration.installations import Installed, install
from tests.orchestration.starting import copy_warehouse

COMMANDS = ("build", "test", "docs generate")
DBT = ".venv/bin/dbt --no-use-colors"


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone with the packages in its virtual environment, where dbt has done its work."""
    clone = make_clone(tmp_path_factory.mktemp("dbt_alone"), {})
    made = clone.run("python3 -m venv --without-pip .venv")
    assert made.returncode == 0, made.stderr
    for command in COMMANDS:
        _is_well(clone.run(f"{DBT} {command}"))
    return clone


def _is_well(ran: subprocess.CompletedProcess[str]) -> None:
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr
    assert not re.search(r"(WARN|ERROR|SKIP)=[1-9]|deprecat", ran.stdout), ran.stdout


def _fork_dbt(clone: Clone, *typed: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run dbt in the clone, forked from one that has compiled the macros of the project."""
    variables = {**clone.environment, "DBT_LOG_LEVEL_FILE": "none", **more}
    typed = ("--no-use-colors", *typed)
    return run_module("tests.orchestration.dbt_command", typed, variables, clone.folder)


def _read(clone: Clone, artifact: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((clone.folder / "target" / artifact).read_text())
    return content


def _as_type(text: str) -> str:
    """A type as DuckDB calls it, which takes `string` for its `varchar`."""
    name = text.lower().replace(" ", "")
    return "varchar" if name == "string" else name


def _fingerprints(root: Path) -> dict[str, tuple[object, ...]]:
    """Rows and content of every table of the warehouse of a home."""
    with warehouse.reading(Home(root, root)) as connection:
        tables = connection.execute(
            'select format(\'"{}"."{}"\', schema_name, table_name) from duckdb_tables()'
            " where not internal"
        ).fetchall()
        return {
            name: connection.execute(
                f"select count(*), sum(hash(whole)::hugeint) from {name} as whole"
            ).fetchall()[0]
            for (name,) in tables
        }


def test_a_fresh_clone_is_built_without_a_row_of_raw(clone: Clone) -> None:
    tables = _fingerprints(clone.folder / "data")
    raw = {name: rows for name, (rows, _) in tables.items() if name.startswith('"raw"')}
    assert raw == {f'"raw"."{name}"': 0 for name in raw_tables().keys() - row_tables().keys()}
    assert tables['"main"."debts"'][0] == 0
    assert tables['"main"."organizations"'][0] == 3


def test_the_documentation_has_every_column_there_is_with_its_type(clone: Clone) -> None:
    manifest, catalog = _read(clone, "manifest.json"), _read(clone, "catalog.json")
    nodes = {**manifest["nodes"], **manifest["sources"]}
    there = {
        key: {name: _as_type(column["type"]) for name, column in node["columns"].items()}
        for key, node in {**catalog["nodes"], **catalog["sources"]}.items()
    }
    described = {
        key: {
            name: _as_type(
                column["data_type"] or node["config"].get("column_types", {}).get(name, "unknown")
            )
            for name, column in node["columns"].items()
        }
        for key, node in nodes.items()
        if node["resource_type"] in {"model", "seed", "snapshot", "source"}
    }
    assert there == described


# The tables that hold the work of a build.
OF_THE_BUILD = (
    "int_debts__compared",
    "int_intake_files__read",
    "int_invoices__checked",
    "int_invoices__recognized",
)


def test_a_warehouse_in_use_is_built_tested_and_documented_unchanged(
    clone: Clone, tmp_path: Path
) -> None:
    home = Home(clone.folder / "data", clone.folder / "seeds")
    with install(tmp_path, Installed) as site:
        site.upload(DAYS[0])
        ran = site.command("run", "--date", f"{DAYS[0]}")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        copy_warehouse(site.home, home)
        shutil.copytree(site.home.seeds, clone.folder / "seeds", dirs_exist_ok=True)
    before = _fingerprints(home.root)
    # The note of what stands. After a dbt that is not of a run, the next run builds everything.
    assert before.pop('"main"."built"')[0] == 1
    assert before['"main"."debts"'][0]
    _is_well(clone.run(f"{DBT} build"))
    for command in ("test", "docs generate"):
        _is_well(_fork_dbt(clone, *command.split()))
    # What the newest load does to the base, and what of it must be read for that: nothing, once the
    # base has it, but the rows that are refused again.
    after = _fingerprints(home.root)
    work = [f'"intermediate"."{name}"' for name in OF_THE_BUILD]
    assert [before.pop(each)[0] for each in work] == [260, 3, 263, 0]
    assert [after.pop(each)[0] for each in work] == [0, 3, 3, 6]
    # The first build derived every account, one after it those of the debts that the load changed.
    touched = '"intermediate"."int_customer_accounts__touched"'
    assert before.pop(touched)[0] == 0
    assert after.pop(touched)[0] > 0
    assert after == before

    # Rows that are other ones, or no more, are not built on.
    rows = {path: path.read_bytes() for path in home.rows.rglob("*.parquet")}
    path = next(each for each in rows if "invoices" in each.parts)
    path.write_bytes(flip(rows[path], len(rows[path]) // 2))
    for variables in ({}, {"SALDO_ROWS_ARE_CHECKED": "1", "DBT_FULL_REFRESH": "1"}):
        ran = _fork_dbt(clone, "build", **variables)
        assert ran.returncode != 0
        assert f"{path.name} is not as it was written" in ran.stdout
    path.unlink()
    ran = _fork_dbt(clone, "build", "--full-refresh")
    assert ran.returncode != 0
    assert f"{path.name} is missing: `python -m orchestration restore` rebuilds it" in ran.stdout
    path.write_bytes(rows[path])

    # Nor are marts of another load or warehouse.
    with duckdb.connect(str(home.marts)) as connection:
        (kept,) = connection.execute("from finished_load").fetchall()
    for change in ("load_id = 0", "warehouse_id = uuid()", "warehouse_id = null"):
        with duckdb.connect(str(home.marts)) as connection:
            connection.execute(f"update finished_load set {change}")
        _refuses_marts(clone)
        with duckdb.connect(str(home.marts)) as connection:
            connection.execute("update finished_load set load_id = ?, warehouse_id = ?", kept)
    unchanged = _fingerprints(home.root)
    assert {name: unchanged[name] for name in before} == before
    for path in (home.warehouse, home.marts):
        path.rename(path.with_name("elsewhere"))
        _refuses_marts(clone)
        path.with_name("elsewhere").rename(path)
    unchanged = _fingerprints(home.root)
    assert {name: unchanged[name] for name in before} == before


def _refuses_marts(clone: Clone) -> None:
    ran = _fork_dbt(clone, "build")
    assert ran.returncode != 0
    assert "marts.duckdb and warehouse.duckdb are not of the same load: `python -m " in ran.stdout
