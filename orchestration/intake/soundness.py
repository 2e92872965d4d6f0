"""Check whether the landing area is whole. Everything else is built from it, so it cannot be
rebuilt.

Bytes are compared with their hashes, manifests and ledger with their checksums, and the numbers of
both with each other. A check changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from orchestration.delivery import ledger
from orchestration.installation import warehouse
from orchestration.installation.damage import DamagedError
from orchestration.installation.databases import Connection
from orchestration.installation.home import Home
from orchestration.landing import manifests, store
from orchestration.landing.manifests import Manifest
from orchestration.landing.sealing import is_sealed, missing, read_sealed, require_named

_MOST_TOLD = 20


@dataclass(frozen=True)
class Finding:
    """Something that is damaged.

    Args:
        path: the file or folder.
        said: one sentence: what is wrong with it and what to do.

    """

    path: Path
    said: str


def check_landing(home: Home, last_load_id: int = 0, last_batch_id: int = 0) -> list[Finding]:
    """Read everything that landed, and report what is missing or has changed.

    Args:
        home: the installation.
        last_load_id: the newest load known from elsewhere.
        last_batch_id: the newest batch of the ledger known from elsewhere.

    """
    findings = _find_missing(home, last_load_id, last_batch_id)
    for batch_id in ledger.batch_ids(home):
        path = ledger.batch_path(home, batch_id)
        findings += _try(path, partial(ledger.read_batch, home, batch_id))
    for path in sorted((home.landing / "_erasures").glob("*.json")):
        findings += _try(path, partial(read_sealed, path))
    checked: set[Path] = set()
    for load_id in manifests.load_ids(home):
        path = manifests.manifest_path(home, load_id)
        damage = _try(path, partial(manifests.read_manifest, home, load_id))
        findings += damage
        manifest = None if damage else manifests.read_manifest(home, load_id)
        for named, check in _named_by(home, manifest) if manifest else ():
            if named not in checked:
                checked.add(named)
                findings += _try(named, check)
    return findings


def require_landing(home: Home) -> None:
    """Check that the landing area is whole before everything is rebuilt from it.

    Includes the loads and batches that the old warehouse knows, if it can be read.

    Raises:
        DamagedError: it is damaged; one sentence per file.

    """
    _require(check_landing(home, *warehouse.peek_numbers(home)))


def require_numbers(connection: Connection, home: Home) -> None:
    """Check that no load or batch of the ledger is missing before a new one gets a number.

    If a number were given twice, the warehouse would take one load for another. This reads only
    names and the newest batch, so that every load can start with it.

    Raises:
        DamagedError: one is missing; one sentence for each.

    """
    numbers = warehouse.last_load_id(connection), warehouse.last_batch_id(connection)
    _require(_find_missing(home, *numbers))


def count_unsealed(home: Home) -> int:
    """Count the manifests and batches that an older version wrote without a checksum."""
    paths = [manifests.manifest_path(home, each) for each in manifests.load_ids(home)]
    paths += [ledger.batch_path(home, each) for each in ledger.batch_ids(home)]
    return sum(not is_sealed(path) for path in paths)


def _find_missing(home: Home, last_load_id: int, last_batch_id: int) -> list[Finding]:
    """Find missing manifests and batches between the first and the newest known one."""
    load_ids, batch_ids = manifests.load_ids(home), ledger.batch_ids(home)
    if batch_ids:
        try:
            newest = ledger.read_batch(home, batch_ids[-1])
        except DamagedError as error:
            return [Finding(ledger.batch_path(home, batch_ids[-1]), str(error))]
        last_load_id = max([last_load_id, *(each.load_id for each in newest)])
    paths = [manifests.manifest_path(home, each) for each in _holes(load_ids, last_load_id)]
    paths += [ledger.batch_path(home, each) for each in _holes(batch_ids, last_batch_id)]
    return [Finding(path, str(missing(path))) for path in paths]


def _holes(numbers: Sequence[int], at_least: int) -> list[int]:
    last = max(at_least, *numbers, 0)
    return sorted(set(range(1, last + 1)) - set(numbers))


def _named_by(home: Home, manifest: Manifest) -> Iterator[tuple[Path, Callable[[], object]]]:
    """Yield what a manifest names, with a function that checks it.

    A file without kept bytes was too large, or could not be kept without a person.
    """
    contracts = store.contracts_path(home, manifest.contracts)
    if manifest.contracts:
        yield contracts, partial(store.require_contracts, home, manifest.contracts)
    for file in manifest.files:
        if file.stored_sha256:
            path = store.stored_path(home, file)
            yield path, partial(require_named, path, file.stored_sha256)
    for event_range in manifest.events:
        if event_range.sha256:
            path = store.events_path(home, event_range.sha256)
            yield path, partial(require_named, path, event_range.sha256)


def _try(path: Path, check: Callable[[], object]) -> list[Finding]:
    try:
        check()
    except DamagedError as error:
        return [Finding(path, str(error))]
    return []


def _require(findings: Sequence[Finding]) -> None:
    if findings:
        told = [each.said for each in findings[:_MOST_TOLD]]
        if len(findings) > _MOST_TOLD:
            told.append(f"and {len(findings) - _MOST_TOLD} more; `verify` tells all")
        raise DamagedError("\n".join(told))
