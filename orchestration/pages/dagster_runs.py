"""What Dagster's storage knows of runs: which carried which load, how they ended, their addresses.

A load has no number of a run: one that was killed is carried through by another. Dagster notes with
each load that a step took which run it was, so its storage is asked; where runs have been deleted
from it, there is nothing in its user interface to lead to either.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import dagster as dg

from orchestration.installation.clock import naive_utc
from orchestration.pages.guards import read_origins

_ORIGINS = "SALDO_UI_ORIGINS"
_PORT = "SALDO_UI_PORT"
_DEFAULT_PORT = 3000
_HOST = "127.0.0.1"
_LOADS = dg.AssetKey(["raw", "loads"])
# More than the loads that a page lists: a load that was killed has several.
MOST_RUNS = 100
_ANSWER_SECONDS = 0.2


class UnreadableRunsError(Exception):
    """Dagster's storage cannot be read; the message is what kind of error it gave."""


@dataclass(frozen=True)
class Run:
    """A run of Dagster.

    Args:
        run_id: its id.
        status: Dagster's word for its state.
        business_date: its partition.
        created_at: when it was asked for (UTC).
        load_id: the load that it carried; None if it got to none.

    """

    run_id: str
    status: str
    business_date: str | None
    created_at: datetime
    load_id: int | None


@dataclass(frozen=True)
class UserInterface:
    """Where Dagster's user interface is shown, and whether it answers on this machine."""

    address: str
    is_served: bool


def read_runs() -> list[Run]:
    """The newest runs, the newest first.

    Raises:
        UnreadableRunsError: the storage, or Dagster's settings, cannot be read.

    """
    try:
        with dg.DagsterInstance.get() as instance:
            carried = instance.fetch_materializations(_LOADS, limit=MOST_RUNS).records
            records = instance.get_run_records(limit=MOST_RUNS)
    except Exception as error:
        raise UnreadableRunsError(type(error).__name__) from error
    loads = {
        each.run_id: int(str(each.asset_materialization.metadata["load_id"].value))
        for each in carried
        if each.asset_materialization is not None
    }
    return [
        Run(
            run_id=each.dagster_run.run_id,
            status=each.dagster_run.status.value,
            business_date=each.dagster_run.tags.get("dagster/partition"),
            created_at=naive_utc(each.create_timestamp),
            load_id=loads.get(each.dagster_run.run_id),
        )
        for each in records
    ]


def find_user_interface(environment: Mapping[str, str]) -> UserInterface:
    """Where a link to a run leads.

    Args:
        environment: SALDO_UI_ORIGINS, of which the first is a proxy's, and SALDO_UI_PORT.

    """
    port = int(environment.get(_PORT) or _DEFAULT_PORT)
    origins = read_origins(environment.get(_ORIGINS, ""), _ORIGINS)
    address = min(origins, default=f"http://{_HOST}:{port}")
    try:
        with socket.create_connection((_HOST, port), _ANSWER_SECONDS):
            return UserInterface(address, is_served=True)
    except OSError:
        return UserInterface(address, is_served=False)
