"""The landing area is the truth: whatever of it is damaged is told, and nothing is made of it."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable
from datetime import UTC
from pathlib import Path

import pytest

from orchestration import runs
from orchestration.delivery import ledger
from orchestration.installation import warehouse
from orchestration.installation.damage import DamagedError
from orchestration.installation.home import Home
from orchestration.intake import loads, soundness
from orchestration.landing import manifests, store
from orchestration.landing.manifests import Manifest
from tests.orchestration.landed import AT, DAY, carry, deliver, make


@pytest.fixture
def landed(tmp_path: Path) -> Home:
    """Three loads that landed, and two batches of the ledger."""
    return make(Home(tmp_path / "home", tmp_path / "seeds"))


def _manifest(home: Home) -> Manifest:
    manifest = manifests.read_manifest(home, 2)
    assert manifest is not None
    return manifest


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


# Everything that one load is made of: where it is.
PARTS: dict[str, Callable[[Home], Path]] = {
    "a debts file": lambda home: store.stored_path(home, _manifest(home).files[0]),
    "a range of events": lambda home: store.events_path(home, _manifest(home).events[0].sha256),
    "a manifest": lambda home: manifests.manifest_path(home, 2),
    "a batch of the ledger": lambda home: ledger.batch_path(home, 1),
}
DAMAGE: dict[str, tuple[Callable[[Path], None], str]] = {
    "has another byte": (_flip, "is not as it was written"),
    "is cut": (_cut, "is not as it was written"),
    "is empty": (lambda path: path.write_bytes(b"") and None, "is not as it was written"),
    "is gone": (Path.unlink, "is missing"),
}
REMEDY = (
    "`python -m orchestration restore` recovers it if the same bytes are kept elsewhere,"
    " else put it back from a backup"
)


def test_a_whole_landing_area_is_sound(landed: Home) -> None:
    assert soundness.check_landing(landed) == []


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("part", PARTS)
def test_whatever_is_damaged_is_told_once_with_what_to_do(
    landed: Home, part: str, damage: str
) -> None:
    path = PARTS[part](landed)
    do, said = DAMAGE[damage]
    do(path)
    assert soundness.check_landing(landed) == [soundness.Finding(path, f"{path} {said}: {REMEDY}")]


@pytest.mark.parametrize("name", ["organizations.csv", "payment_channels.csv"])
def test_contracts_that_have_changed_are_told(landed: Home, name: str) -> None:
    path = store.contracts_path(landed, _manifest(landed).contracts)
    (path / name).write_bytes((path / name).read_bytes().replace(b",", b";", 1))
    assert [each.said for each in soundness.check_landing(landed)] == [
        f"{path} is not as it was written: {REMEDY}"
    ]
    shutil.rmtree(path)
    assert [each.said for each in soundness.check_landing(landed)] == [
        f"{path} is missing: {REMEDY}"
    ]


def test_contracts_of_an_older_version_are_sound(landed: Home) -> None:
    """It kept no words of events, and named them by what it kept; a replay adds the words."""
    once = store.contracts_path(landed, _manifest(landed).contracts)
    names = ("organizations.csv", "organization_defaults.csv", "column_aliases.csv")
    name = store.name_contracts({each: (once / each).read_bytes() for each in names})
    older = store.contracts_path(landed, name)
    older.mkdir()
    for each in names:
        shutil.copyfile(once / each, older / each)
    store.require_contracts(landed, name)
    store.complete_contracts(landed, name)
    store.require_contracts(landed, name)
    _flip(older / "organizations.csv")
    with pytest.raises(DamagedError, match=f"^{older} is not as it was written: "):
        store.require_contracts(landed, name)


def test_a_file_from_which_a_person_was_erased_is_sound(landed: Home) -> None:
    """Its bytes are others than those received, or none are kept (kept_sha256)."""
    manifest = _manifest(landed)
    kept = store.keep_anew(landed, "lumina", lambda target: target.write(b"anew") and None)
    for kept_sha256 in (kept, ""):
        store.stored_path(landed, manifest.files[0]).unlink()
        file = dataclasses.replace(manifest.files[0], kept_sha256=kept_sha256)
        manifest = dataclasses.replace(manifest, files=(file,))
        manifests.write_manifest(landed, manifest)
        assert soundness.check_landing(landed) == []
        if kept_sha256:
            _flip(store.stored_path(landed, file))
            (finding,) = soundness.check_landing(landed)
            assert finding.path == store.stored_path(landed, file)


def test_a_lost_newest_manifest_is_known_from_what_was_sent_of_its_load(landed: Home) -> None:
    deliver(landed, 3)
    path = manifests.manifest_path(landed, 3)
    path.unlink()
    assert [each.path for each in soundness.check_landing(landed)] == [path]


def test_a_lost_newest_manifest_or_batch_is_known_from_the_warehouse(landed: Home) -> None:
    carry(landed)
    with warehouse.connect(landed) as connection:
        ledger.restore(connection, landed)
    paths = [manifests.manifest_path(landed, 3), ledger.batch_path(landed, 2)]
    for path in paths:
        path.unlink()
    with pytest.raises(DamagedError) as error:
        soundness.require_landing(landed)
    assert str(error.value).splitlines() == [f"{path} is missing: {REMEDY}" for path in paths]


@pytest.mark.parametrize("load_id", [1, 2, 3])
def test_nothing_is_taken_while_a_manifest_is_missing(landed: Home, load_id: int) -> None:
    carry(landed)
    path = manifests.manifest_path(landed, load_id)
    path.unlink()
    before = sorted(landed.landing.rglob("*"))
    with warehouse.connect(landed) as connection, pytest.raises(DamagedError, match=f"^{path} is"):
        loads.carry_next(connection, landed, DAY, {}, lambda: AT.replace(tzinfo=UTC))
    assert sorted(landed.landing.rglob("*")) == before


def test_nothing_is_taken_while_a_batch_of_the_ledger_is_missing(landed: Home) -> None:
    carry(landed)
    path = ledger.batch_path(landed, 1)
    path.unlink()
    with warehouse.connect(landed) as connection, pytest.raises(DamagedError, match=f"^{path} is"):
        loads.carry_next(connection, landed, DAY, {}, lambda: AT.replace(tzinfo=UTC))


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("part", ["a debts file", "a range of events"])
def test_a_load_reads_nothing_that_has_changed(landed: Home, part: str, damage: str) -> None:
    path = PARTS[part](landed)
    do, said = DAMAGE[damage]
    do(path)
    with pytest.raises(DamagedError, match=f"^{path} {said}: "):
        carry(landed)
    with warehouse.connect(landed) as connection:
        assert warehouse.last_load_id(connection) == 1


def test_a_load_reads_no_contracts_that_have_changed(landed: Home) -> None:
    path = store.contracts_path(landed, _manifest(landed).contracts)
    _flip(path / "column_aliases.csv")
    with pytest.raises(DamagedError, match=f"^{path} is not as it was written: "):
        carry(landed)


@pytest.mark.parametrize("part", PARTS)
def test_a_replay_of_a_damaged_landing_area_does_not_begin(landed: Home, part: str) -> None:
    carry(landed)
    former = landed.warehouse.read_bytes()
    path = PARTS[part](landed)
    _flip(path)
    with pytest.raises(DamagedError, match=f"^{path} is not as it was written: "):
        runs.replay(landed, lambda _: None)
    assert landed.warehouse.read_bytes() == former
    assert [path for path in landed.set_aside.values() if path.exists()] == []


def test_of_many_findings_the_first_are_told(landed: Home) -> None:
    for load_id in range(4, 40):
        manifests.write_manifest(landed, dataclasses.replace(_manifest(landed), load_id=load_id))
    for load_id in range(4, 39):
        manifests.manifest_path(landed, load_id).unlink()
    with pytest.raises(DamagedError) as error:
        soundness.require_landing(landed)
    told = str(error.value).splitlines()
    assert (len(told), told[-1]) == (21, "and 15 more; `verify` tells all")
