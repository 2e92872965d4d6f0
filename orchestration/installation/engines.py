"""The engines on which models are built: DuckDB, in the warehouse, or Apache Spark beside it (R33).

On both, DuckDB reads the bytes, keeps the ledgers, and has the tables that operators, pages and
analysts read. Another engine is lent what a load brought, and gives back what it has made of it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Protocol

import duckdb

from orchestration.installation import standing
from orchestration.installation.damage import REPLAY
from orchestration.installation.databases import Connection
from orchestration.installation.dbt_project import ON_SPARK
from orchestration.installation.errors import ToldError
from orchestration.installation.home import Home
from orchestration.installation.spark import Spark

_NOTE = "main.engine"


class OtherEngineError(ToldError):
    """The models of former loads were built on another engine."""


class Engine(Protocol):
    """Where the models of the newest load are built."""

    name: str

    def require(self, home: Home) -> None:
        """Check that it can run here.

        Raises:
            ToldError: it cannot.

        """

    def place(self, home: Home) -> str:
        """Name it, and where its tables are."""

    def choose_nodes(self, connection: Connection, home: Home, project: str) -> tuple[str, ...]:
        """Return dbt's arguments that leave out what need not be built.

        Args:
            connection: the warehouse.
            home: the installation.
            project: the fingerprint of the project that is about to be built.

        """

    def lend(self, connection: Connection, home: Home) -> Mapping[str, str]:
        """Lend it what the newest load brought.

        Returns:
            Variables by which dbt finds it.

        """

    def bring_back(self, home: Home, project: str) -> None:
        """Write what it has made into the warehouse; to repeat it changes nothing.

        Raises:
            ToldError: that cannot be done.

        """


class DuckDB:
    """DuckDB builds the models where they are read."""

    name = "duckdb"

    def require(self, home: Home) -> None:
        """It comes with Saldo."""

    def place(self, home: Home) -> str:  # noqa: ARG002
        """It is where the warehouse is."""
        return self.name

    def choose_nodes(self, connection: Connection, home: Home, project: str) -> tuple[str, ...]:
        """Leave out what stands as the former load left it."""
        return standing.choose_nodes(connection, home, project)

    def lend(self, connection: Connection, home: Home) -> Mapping[str, str]:  # noqa: ARG002
        """It has all."""
        return {}

    def bring_back(self, home: Home, project: str) -> None:
        """It is there."""


def chosen(environment: Mapping[str, str] = os.environ) -> Engine:
    """Return the engine that SALDO_TARGET names."""
    return Spark() if environment.get("SALDO_TARGET") in ON_SPARK else DuckDB()


def check(connection: Connection, home: Home) -> None:
    """Check that the engine is that of the former loads, and can run here.

    A warehouse without loads takes any, and notes it.

    Raises:
        OtherEngineError: it would build upon tables that it does not have.
        ToldError: it cannot run here.

    """
    wanted = chosen()
    place = wanted.place(home)
    if connection.execute("select 1 from raw.loads").fetchone() is None:
        wanted.require(home)
        connection.execute(
            f"create or replace table {_NOTE} as select ?::varchar as engine", [place]
        )
        return
    try:
        row = connection.execute(f"select engine from {_NOTE}").fetchone()  # noqa: S608 (a name of ours)
    except duckdb.CatalogException:
        row = None
    former = row[0] if row else DuckDB.name
    if former != place:
        raise OtherEngineError(
            f"the models of this warehouse are built on {former}, and would be on {place}: set"
            f" SALDO_TARGET to what it was, or {REPLAY} builds all of them there"
        )
    wanted.require(home)
