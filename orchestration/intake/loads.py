"""Choose the next load, and load it into `raw`.

Work that a killed run left comes first: a load in `raw` that the models have not completed, then a
manifest that is not in `raw` yet. Only then is anything new taken (R29).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from orchestration.contracts import code_lists
from orchestration.contracts.organizations import read_contracts
from orchestration.installation import engines, kept_tables, warehouse
from orchestration.installation.clock import Clock, utc_now
from orchestration.installation.databases import Connection
from orchestration.installation.errors import ToldError
from orchestration.installation.home import Home
from orchestration.installation.messages import Say
from orchestration.intake import loading, rebuilding, soundness, taking, trial_homes
from orchestration.intake.copying import UnreadFileError
from orchestration.landing import manifests, store
from orchestration.landing.manifests import Manifest
from orchestration.landing.sealing import missing

# Copies of files that a run reads, as `tempfile` names them.
_COPIES = "tmp*"


class ErasureUnfinishedError(ToldError):
    """An erasure is unfinished; nothing new is taken until it is complete."""

    def __init__(self) -> None:
        super().__init__(
            "an erasure was begun and has not ended: run `python -m orchestration erase` again"
        )


class UnloadableError(ToldError):
    """A file of a load cannot be read here, and the load waits with all others (R20)."""


@dataclass(frozen=True)
class CarriedLoad:
    """A load that is in `raw` and waits for the models.

    Args:
        manifest: its content.
        rows: rows written by table of `raw`; empty if a previous run wrote them.

    """

    manifest: Manifest
    rows: Mapping[str, int]


def carry_next(
    connection: Connection,
    home: Home,
    business_date: date,
    environment: Mapping[str, str],
    clock: Clock = utc_now,
    say: Say = lambda _: None,
) -> CarriedLoad:
    """Load the next load into `raw`: an unfinished one, one that only landed, or a new one.

    A new load uses one copy of the contracts from start to end, even if they are changed meanwhile
    (R11).

    Raises:
        ContractError: the contracts are wrong; nothing was taken.
        DamagedError: the landing area is damaged; nothing was taken.
        ErasureUnfinishedError: a new load would bring back a person who is being erased.
        OlderWarehouseError: another version made the warehouse; nothing was taken.
        UnloadableError: a file cannot be read here.

    """
    soundness.require_numbers(connection, home)
    recovered = carry_landed(connection, home, say)
    if recovered is not None:
        return recovered
    if home.erasure.exists():
        raise ErasureUnfinishedError
    store.sweep(home)
    trial_homes.sweep(home, (*trial_homes.LEFT, _COPIES))
    contracts = store.keep_contracts(home)
    organizations = read_contracts(store.contracts_path(home, contracts))
    manifest = taking.take(
        connection, home, contracts, organizations, business_date, environment, clock, say
    )
    rows = _load(connection, home, manifest)
    return CarriedLoad(manifest, rows)


def carry_landed(
    connection: Connection, home: Home, say: Say = lambda _: None
) -> CarriedLoad | None:
    """Load the oldest landed load that is not finished into `raw`, or return None.

    With an empty warehouse, this replays the landing area, load by load (R10).

    Raises:
        ContractError: the lists of codes are wrong, or of an older version.
        DamagedError: the part of the landing area that it reads is damaged.
        OlderWarehouseError: another version made the warehouse.
        OtherEngineError: another engine did.
        UnloadableError: a file cannot be read here.

    """
    warehouse.check_raw(connection)
    engines.check(connection, home)
    kept_tables.check(connection)
    code_lists.check(home.seeds)
    kept_tables.note_meaning(connection)
    unfinished = warehouse.unfinished_load_id(connection)
    if unfinished is not None:
        manifest = manifests.read_manifest(home, unfinished)
        if manifest is None:
            raise missing(manifests.manifest_path(home, unfinished))
        return CarriedLoad(manifest, {})
    # The views of `raw` are made anew with the next load, over the files of all loads. An erasure
    # has changed what landed, and makes all of them anew.
    if not home.erasure.exists():
        rebuilding.require_to_read(connection, home, say)
    manifest = manifests.read_manifest(home, warehouse.last_load_id(connection) + 1)
    if manifest is None:
        return None
    rows = _load(connection, home, manifest)
    return CarriedLoad(manifest, rows)


def _load(connection: Connection, home: Home, manifest: Manifest) -> Mapping[str, int]:
    try:
        return loading.load(connection, home, manifest)
    except UnreadFileError as error:
        raise UnloadableError(
            f"load {manifest.load_id} cannot go on ({error}): run again with more memory"
            " (SALDO_MEMORY_LIMIT), or leave that file out, if it was not applied before:"
            f" `python -m orchestration refuse {error.file_id}`"
        ) from None
