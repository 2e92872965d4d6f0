"""A receiver that takes a file at once has it once, and people are told what nobody could read back
(R24).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from orchestration.contracts.organizations import Organization
from orchestration.delivery import ledger
from orchestration.delivery.outbox import deliver, deliver_due
from orchestration.delivery.outgoing import read_publication, read_undelivered
from orchestration.installation import warehouse
from orchestration.installation.home import Home
from tests.orchestration.publications import CONTENT, publish
from tests.orchestration.taking_sftp import TakingServer, serve_taking

PAYMENTS, MANIFEST = "2026-03-03_toku_payments.csv", "2026-03-03_toku_payments.json"
ANSWER = "2026-03-03_toku_invoices.csv.result.csv"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TakingServer]:
    with serve_taking(tmp_path / "server", tmp_path / "state") as server:
        (server.root / "outbox").mkdir()
        yield server


@pytest.fixture
def lumina(make_organization, server: TakingServer) -> Organization:
    organization: Organization = make_organization(
        sftp_port=server.port, inbox_dir="inbox", outbox_dir="outbox"
    )
    return organization


@pytest.fixture
def published(home: Home) -> Home:
    """A home that has a payments file, its manifest and an answer for Lumina."""
    with warehouse.connect(home) as connection:
        publish(connection)
        connection.execute(
            "delete from intermediate.outgoing_files where organization_id <> 'lumina'"
        )
    return home


def _step(home: Home, lumina: Organization, server: TakingServer) -> dict[str, tuple[str, bool]]:
    """What came of each file of a delivery step, and whether it is in doubt."""
    deliveries = deliver_due(home, [lumina], server.environment("lumina"))
    with warehouse.connect(home) as connection:
        ledger.restore(connection, home)
    return {each.file.file_name: (each.outcome, each.is_in_doubt) for each in deliveries}


def _meant(name: str) -> str:
    return name.lstrip(".").rsplit(".", 2)[0] if name.startswith(".") else name


@pytest.mark.parametrize(
    ("takes_at", "outcome", "is_rename_denied"),
    [
        ("close", "taken_unread", False),
        ("read", "taken_unread", False),
        ("rename", "delivered", False),
        ("rename", "taken_unread", True),
        ("", "delivered", False),
    ],
)
def test_a_file_that_is_taken_at_once_is_sent_once(
    published, lumina, server, takes_at, outcome, is_rename_denied
):
    server.takes_at, server.is_rename_denied = takes_at, is_rename_denied
    names = {PAYMENTS, MANIFEST, ANSWER}
    assert _step(published, lumina, server) == dict.fromkeys(names, (outcome, False))
    for _ in range(2):
        assert _step(published, lumina, server) == {}
    there = [(path.name, path.read_bytes()) for path in (server.root / "outbox").iterdir()]
    has = {_meant(name): content for name, content in server.taken + there}
    assert (set(has), len(server.taken + there)) == (names, 3)
    assert (has[PAYMENTS], has[ANSWER]) == (CONTENT, b"linea\n")


def test_a_rename_that_the_server_denies_and_has_made_is_a_delivery(published, lumina, server):
    server.is_rename_denied = True
    assert set(_step(published, lumina, server).values()) == {("already_there", False)}
    assert (server.root / "outbox" / PAYMENTS).read_bytes() == CONTENT


def test_republish_sends_a_file_that_was_taken_unread_again(published, lumina, server):
    server.takes_at = "close"
    _step(published, lumina, server)
    server.takes_at = ""
    with warehouse.connect(published) as connection:
        files = read_publication(connection, "lumina", date(2026, 3, 3))
    assert [each.file_name for each in files] == [PAYMENTS, MANIFEST, ANSWER]
    again = deliver(published, files, [lumina], server.environment("lumina"))
    assert [each.outcome for each in again] == ["delivered"] * 3
    with warehouse.connect(published) as connection:
        ledger.restore(connection, published)
        assert read_undelivered(connection) == []
    assert sorted(path.name for path in (server.root / "outbox").iterdir()) == sorted(
        [PAYMENTS, MANIFEST, ANSWER]
    )


def test_a_missing_folder_is_another_thing_and_is_tried_again(published, lumina, server):
    (server.root / "outbox").rmdir()
    assert _step(published, lumina, server) == {
        PAYMENTS: ("no_folder", False),
        MANIFEST: ("file_not_delivered", False),
        ANSWER: ("no_folder", False),
    }
    (server.root / "outbox").mkdir()
    assert set(_step(published, lumina, server).values()) == {("delivered", False)}


def test_a_receiver_that_takes_the_folder_with_the_file_leaves_it_in_doubt(
    published, lumina, server
):
    class Folder(list[tuple[str, bytes]]):
        """Takes the first file, and then the folder that it was in."""

        def append(self, file: tuple[str, bytes]) -> None:
            super().append(file)
            (server.root / "outbox").rename(server.root / "away")

    server.takes_at, server.taken = "close", Folder()
    assert _step(published, lumina, server)[PAYMENTS] == ("no_folder", True)
    (server.root / "outbox").mkdir()
    server.takes_at = ""
    assert _step(published, lumina, server) == {
        PAYMENTS: ("unconfirmed", False),
        MANIFEST: ("unconfirmed", False),
        ANSWER: ("delivered", False),
    }
