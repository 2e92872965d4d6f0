"""Try one file: the models judge it in a warehouse in memory, and nothing is kept (R26, R35).

The rules are in the models, so the models answer. dbt compiles them once in a process, for the
first load of a warehouse; after that, a file is judged without starting dbt. The file meets the
base and the customers that analysts see, not those of the warehouse: no run is waited for.

Not here: what only a run knows, which has the former files of the organization.
"""

from __future__ import annotations

import csv
import json
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb

from orchestration.contracts.organizations import Organization
from orchestration.formats.text_files import RowsRefusedError
from orchestration.installation import warehouse
from orchestration.installation.clock import naive_utc
from orchestration.installation.damage import naming_damaged_copy
from orchestration.installation.databases import Connection, quoted, settings
from orchestration.installation.dbt_project import run_dbt
from orchestration.installation.home import Home
from orchestration.installation.whole_files import hash_of
from orchestration.intake import loading
from orchestration.intake.trial_homes import trial_home
from orchestration.landing import store
from orchestration.landing.manifests import LandedFile, Manifest

# What judges a file, and what its rows are read as.
_SELECTED = ("+int_intake_files__judged", "stg_intake__invoices")
_LOAD_ID = 1
# The tables of former loads that the models compare a file with.
_BASE = ("debts", "customers")


class NotTriedError(Exception):
    """The database failed; the message is the type of its error, whose text quotes rows (R30)."""


class OlderBaseError(Exception):
    """The published copy lacks what the models read: it was made by an older version."""


@dataclass(frozen=True)
class Statement:
    """The SQL of a model.

    Args:
        relation: its quoted name with database and schema.
        kind: `table` or `view`.
        sql: its query.

    """

    relation: str
    kind: str
    sql: str


@dataclass(frozen=True)
class Models:
    """The models that judge a file.

    Args:
        schemas: the schemas that they are in.
        base: the columns of the tables of former loads, as `create table` takes them, by name.
        statements: the models, each after those that it reads.

    """

    schemas: tuple[str, ...]
    base: Mapping[str, str]
    statements: tuple[Statement, ...]


_compiling = threading.Lock()
_compiled: list[Models] = []


def compiled_models(home: Home) -> Models:
    """Return the models; the first call of a process has dbt compile them, the others wait for it.

    Args:
        home: the installation; a folder of scratch is used and removed.

    Raises:
        subprocess.CalledProcessError: dbt failed.

    """
    with _compiling:
        if not _compiled:
            _compiled.append(_compile(home))
        return _compiled[0]


def prepare(home: Home) -> None:
    """Have the models compiled in the background, unless they are."""
    if not _compiled and not _compiling.locked():
        threading.Thread(target=compiled_models, args=(home,), daemon=True).start()


@contextmanager
def judged(
    home: Home,
    trial: Home,
    organization: Organization,
    *,
    kind: str,
    content: Path,
    file_name: str,
    business_date: date,
    now: datetime,
    has_base: bool = True,
) -> Iterator[Connection]:
    """A warehouse in memory in which the models have judged a file, open while the block lasts.

    Args:
        home: the installation, of which the published copy is read.
        trial: the result of `trial_home`; its contracts are used.
        organization: whose file it is.
        kind: `invoices`, `payments` or `customers`.
        content: the file.
        file_name: its name.
        business_date: the date that it is for.
        now: the time.
        has_base: whether it meets the organization's base; without, it is the first file.

    Raises:
        NotTriedError: the database failed, in the block too.
        OlderBaseError: the published copy was made by an older version.
        DamagedError: the published copy cannot be read.
        subprocess.CalledProcessError: dbt failed.

    """
    models = compiled_models(home)
    instant = naive_utc(now)
    file = LandedFile.of(
        organization,
        kind=kind,
        file_name=file_name,
        business_date=business_date,
        sha256=hash_of(content),
        byte_count=content.stat().st_size,
        modified_at=instant,
        received_at=instant,
    )
    path = store.file_path(trial, file.organization_id, file.sha256)
    path.parent.mkdir(parents=True)
    shutil.copyfile(content, path)
    contracts = store.keep_contracts(trial)
    manifest = Manifest(_LOAD_ID, instant, business_date, contracts, files=(file,))
    with (
        _without_quoted_rows(),
        naming_damaged_copy(home.analytics),
        duckdb.connect(config=settings(trial)) as connection,
    ):
        connection.execute("set TimeZone = 'UTC'")
        connection.execute("attach ':memory:' as warehouse")
        connection.execute("attach ':memory:' as marts")
        connection.execute(f"set search_path = '{warehouse.SEARCHED}'")
        warehouse.create_raw(connection)
        _show_base(connection, home, models, organization.organization_id if has_base else None)
        loading.load(connection, trial, manifest)
        for schema in models.schemas:
            connection.execute(f'create schema if not exists warehouse."{schema}"')
        for each in models.statements:
            connection.execute(f"create {each.kind} {each.relation} as {each.sql}")
        yield connection


def read_messages(seeds: Path) -> dict[str, str]:
    """Read the messages for organizations, in Spanish, by code (R15, R16)."""
    with (seeds / "intake_codes.csv").open(encoding="utf-8", newline="") as source:
        return {row["code"]: row["message"] for row in csv.DictReader(source)}


def _show_base(
    connection: Connection, home: Home, models: Models, organization_id: str | None
) -> None:
    """Show what the former loads left: what analysts see of an organization, or nothing."""
    published: set[str] = set()
    if organization_id is not None and home.analytics.exists():
        connection.execute(f"attach {quoted(home.analytics)} as published (read_only)")
        found = connection.execute(
            "select table_name from duckdb_tables() where database_name = 'published'"
        ).fetchall()
        published = {name for (name,) in found}
    for name, columns in models.base.items():
        if name in published:
            connection.execute(
                f"create view marts.main.{name} as"  # noqa: S608 (names of ours)
                f" select * from published.main.{name} where organization_id = '{organization_id}'"
            )
        else:
            connection.execute(f"create table marts.main.{name} ({columns})")


@contextmanager
def _without_quoted_rows() -> Iterator[None]:
    """Turn an error of the database, whose text may quote rows, into one that does not."""
    try:
        yield
    except (duckdb.CatalogException, duckdb.BinderException):
        raise OlderBaseError from None
    except duckdb.Error as error:
        raise NotTriedError(type(error).__name__) from None
    except RowsRefusedError as error:
        raise NotTriedError(str(error)) from None


def _compile(home: Home) -> Models:
    with trial_home(home, "try") as trial:
        with warehouse.connect(trial) as connection:
            # The models look whether there was a former load.
            for name in _BASE:
                connection.execute(f"create table marts.main.{name} (organization_id varchar)")
        run_dbt(trial, "compile", "--quiet", "--select", *_SELECTED, is_silent=True)
        text = (trial.root / "target" / "manifest.json").read_text(encoding="utf-8")
    manifest: dict[str, Any] = json.loads(text)
    nodes = {
        name: node
        for name, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node.get("compiled")
    }
    order = TopologicalSorter(
        {
            name: [each for each in node["depends_on"]["nodes"] if each in nodes]
            for name, node in nodes.items()
        }
    ).static_order()
    base = {name: manifest["sources"][f"source.saldo.base.{name}"]["columns"] for name in _BASE}
    return Models(
        schemas=tuple(sorted({node["schema"] for node in nodes.values()})),
        base={
            name: ", ".join(f"{each['name']} {each['data_type']}" for each in columns.values())
            for name, columns in base.items()
        },
        statements=tuple(
            Statement(
                relation=nodes[name]["relation_name"],
                kind="view" if nodes[name]["config"]["materialized"] == "view" else "table",
                sql=nodes[name]["compiled_code"],
            )
            for name in order
        ),
    )
