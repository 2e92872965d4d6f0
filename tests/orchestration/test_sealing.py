"""What is kept for ever tells whether it is as it was written."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from orchestration.delivery import ledger
from orchestration.delivery.attempts import Attempt
from orchestration.delivery.outgoing import OutgoingFile
from orchestration.installation import whole_files
from orchestration.installation.damage import DamagedError
from orchestration.installation.home import Home
from orchestration.landing import manifests
from orchestration.landing.manifests import Look, Manifest
from orchestration.landing.sealing import is_sealed

MANIFEST = Manifest(
    1, datetime(2026, 3, 2, 8), date(2026, 3, 2), "ab" * 32, looks=(Look("lumina", "looked"),)
)
ATTEMPT = Attempt(
    organization_id="lumina",
    business_date=date(2026, 3, 2),
    kind="payments_file",
    file_name="2026-03-02_toku_payments.csv",
    load_id=1,
    sha256=hashlib.sha256(b"a\n").hexdigest(),
    byte_count=2,
    attempted_at=datetime(2026, 3, 2, 8, 1),
    outcome="delivered",
    detail=None,
)
FILE = OutgoingFile("lumina", ATTEMPT.business_date, ATTEMPT.kind, ATTEMPT.file_name, 1, b"a\n")
DAMAGE = {
    "a digit has changed": lambda text: text.replace("2026-03-02", "2026-03-03"),
    "a word has changed": lambda text: text.replace("lumina", "lumino"),
    "it is cut": lambda text: text[: len(text) // 2],
    "it is empty": lambda text: "",
    "it is of zeros": lambda text: "\0" * len(text),
    "it is of other JSON": lambda text: "[1]",
    "a part is gone": lambda text: json.dumps({"load_id": 1}),
}


@pytest.fixture
def written(home: Home) -> Home:
    manifests.write_manifest(home, MANIFEST)
    for _ in range(2):
        _deliver(home)
    return home


def _deliver(home: Home) -> None:
    """Note an attempt in a batch of its own."""
    with ledger.open_batch(home, lambda: ATTEMPT.attempted_at.replace(tzinfo=UTC)) as batch:
        batch.note_outcomes((FILE, "delivered", None, False))


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_manifest_that_has_changed_is_not_read(written: Home, damage: Any) -> None:
    path = manifests.manifest_path(written, 1)
    path.write_text(damage(path.read_text()))
    for read in (manifests.read_manifest, manifests.recent_manifests):
        with pytest.raises(DamagedError, match=f"^{path} is not as it was written: "):
            read(written, 1 if read is manifests.read_manifest else datetime.min)


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_batch_of_the_ledger_that_has_changed_is_not_read(written: Home, damage: Any) -> None:
    path = ledger.batch_path(written, 1)
    path.write_text(damage(path.read_text()))
    with pytest.raises(DamagedError, match=f"^{path} is not as it was written: "):
        list(ledger.read_attempts(written, after=0))


def test_a_manifest_under_the_number_of_another_is_not_read(written: Home) -> None:
    path = manifests.manifest_path(written, 2)
    path.write_text(manifests.manifest_path(written, 1).read_text())
    with pytest.raises(DamagedError, match=f"^{path} is not as it was written: "):
        manifests.read_manifest(written, 2)


def test_what_an_older_version_wrote_without_a_checksum_is_read(home: Home) -> None:
    def as_text(value: date) -> str:
        return value.isoformat()

    for path, values in (
        (manifests.manifest_path(home, 1), dataclasses.asdict(MANIFEST)),
        (home.landing / "_deliveries" / "00000001.json", [dataclasses.asdict(ATTEMPT)]),
    ):
        whole_files.write_whole(path, json.dumps(values, indent=1, default=as_text).encode())
        assert not is_sealed(path)
    assert manifests.read_manifest(home, 1) == MANIFEST
    assert list(ledger.read_attempts(home, after=0)) == [(1, [ATTEMPT])]
    _deliver(home)
    assert list(ledger.read_attempts(home, after=0)) == [(1, [ATTEMPT]), (2, [ATTEMPT])]


def test_what_is_written_is_read_and_has_a_checksum(written: Home) -> None:
    assert manifests.read_manifest(written, 1) == MANIFEST
    assert list(ledger.read_attempts(written, after=0)) == [(1, [ATTEMPT]), (2, [ATTEMPT])]
    assert is_sealed(manifests.manifest_path(written, 1))
    assert is_sealed(ledger.batch_path(written, 1))
