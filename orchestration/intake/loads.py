"""Loads: which one comes next, and carrying it into `raw`.

What a killed run left undone goes first: a load in `raw` that the models have not seen to the
end, then a manifest that is not in `raw` yet. Only then is something new taken (R29).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

import duckdb

from orchestration.contracts.organizations import read_contracts
from orchestration.installation import warehouse
from orchestration.installation.clock import Clock, utc_now
from orchestration.installation.errors import ToldError
from orchestration.installation.home import Home
from orchestration.intake import loading, soundness, taking
from orchestration.landing import manifests, store
from orchestration.landing.manifests import Manifest
from orchestration.landing.sealing import missing


class ErasureUnfinishedError(ToldError):
    """A person is being erased: until that has ended nothing new is taken."""


@dataclass(frozen=True)
class CarriedLoad:
    """A load that is in `raw` and waits for the models.

    Args:
        manifest: what it holds.
        rows: rows written by table of `raw`; empty when a former run wrote them.

    """

    manifest: Manifest
    rows: Mapping[str, int]


def carry_next(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    business_date: date,
    environment: Mapping[str, str],
    clock: Clock = utc_now,
    say: Callable[[str], None] = lambda _: None,
) -> CarriedLoad:
    """Bring the next load into `raw`: an unfinished one, one that only landed, or a new one.

    A new one is made by a copy of the contracts from its beginning to its end, whatever is done
    to them meanwhile (R11).

    Raises:
        ContractError: the contracts are wrong; nothing was taken.
        DamagedError: what landed is not whole; nothing was taken.
        ErasureUnfinishedError: a new one is due, and would bring back what is being erased.
        OlderWarehouseError: the warehouse was made by an older version; nothing was taken.

    """
    soundness.require_numbers(connection, home)
    recovered = carry_landed(connection, home)
    if recovered is not None:
        return recovered
    if home.erasure.exists():
        raise ErasureUnfinishedError(
            "an erasure was begun and has not ended: say `python -m orchestration erase` again"
        )
    store.sweep(home)
    contracts = store.keep_contracts(home)
    organizations = read_contracts(store.contracts_path(home, contracts))
    manifest = taking.take(
        connection, home, contracts, organizations, business_date, environment, clock, say
    )
    rows = loading.load(connection, home, manifest)
    return CarriedLoad(manifest, rows)


def carry_landed(connection: duckdb.DuckDBPyConnection, home: Home) -> CarriedLoad | None:
    """Bring the oldest load that landed and is not finished into `raw`; None if there is none.

    In an empty warehouse this replays the landing area, load by load (R10).

    Raises:
        DamagedError: what it reads of the landing area is not as it was.
        OlderWarehouseError: the warehouse was made by an older version.

    """
    warehouse.check_raw(connection)
    unfinished = warehouse.unfinished_load_id(connection)
    if unfinished is not None:
        manifest = manifests.read_manifest(home, unfinished)
        if manifest is None:
            raise missing(manifests.manifest_path(home, unfinished))
        return CarriedLoad(manifest, {})
    manifest = manifests.read_manifest(home, warehouse.last_load_id(connection) + 1)
    if manifest is None:
        return None
    rows = loading.load(connection, home, manifest)
    return CarriedLoad(manifest, rows)
