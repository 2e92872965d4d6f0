"""The delivery ledger: an intent is on the disk before its file is sent (R24, R29)."""

from __future__ import annotations

import json
import threading
from datetime import UTC, date, datetime

import pytest

from orchestration.delivery import ledger
from orchestration.delivery.ledger import LedgerError
from orchestration.delivery.outgoing import OutgoingFile
from orchestration.installation import warehouse
from orchestration.installation.damage import DamagedError
from orchestration.installation.home import Home
from tests.orchestration.publications import make_views

AT = datetime(2026, 3, 3, 6, tzinfo=UTC)


def _file(name: str = "a.csv", organization_id: str = "lumina") -> OutgoingFile:
    day = date(2026, 3, 3)
    return OutgoingFile(organization_id, day, "payments_file", name, 3, name.encode())


def _noted(home: Home) -> list[tuple[int, str, str, bool]]:
    return [
        (batch_id, each.file_name, each.outcome, each.is_in_doubt)
        for batch_id, attempts in ledger.read_attempts(home, after=0)
        for each in attempts
    ]


def _die(home: Home, *names: str) -> None:
    """Leave what a step leaves that was killed after it noted these intents."""
    step = ledger.open_batch(home, lambda: AT)
    batch = step.__enter__()
    for name in names:
        batch.note_intent(_file(name))
    batch.close()


def test_a_file_has_its_outcome_or_is_in_doubt(home: Home) -> None:
    with ledger.open_batch(home, lambda: AT) as batch:
        for name in ("a.csv", "b.csv", "c.csv"):
            batch.note_intent(_file(name))
        batch.note_outcomes((_file("a.csv"), "delivered", None, False))
        batch.note_outcomes((_file("c.csv"), "timed_out", "no answer", True))
    assert _noted(home) == [
        (1, "a.csv", "delivered", False),
        (1, "b.csv", "begun", True),
        (1, "c.csv", "timed_out", True),
    ]


def test_a_file_is_in_doubt_until_an_attempt_says_otherwise(home: Home) -> None:
    _die(home, "a.csv", "b.csv")
    with ledger.open_batch(home, lambda: AT) as batch:
        batch.note_outcomes((_file("a.csv"), "unreachable", None, True))
        batch.note_outcomes((_file("b.csv"), "delivered", None, False))
    with warehouse.connect(home) as connection:
        make_views(connection)
        ledger.restore(connection, home)
        assert ledger.find_in_doubt(connection) == {("lumina", "a.csv", 3)}


def test_a_step_that_notes_nothing_leaves_nothing(home: Home) -> None:
    with ledger.open_batch(home):
        pass
    assert ledger.batch_ids(home) == []


@pytest.mark.parametrize("left", ["", '{"checksum": "ab', '{"checksum": "ab"}'])
def test_a_line_that_a_killed_step_was_writing_was_not_noted(home: Home, left: str) -> None:
    _die(home, "a.csv")
    with ledger.batch_path(home, 1).open("a") as batch:
        batch.write(left)
    assert _noted(home) == [(1, "a.csv", "begun", True)]
    _die(home, "b.csv")
    with ledger.open_batch(home, lambda: AT) as following:
        following.note_outcomes((_file("c.csv"), "delivered", None, False))
    assert _noted(home) == [
        (1, "a.csv", "begun", True),
        (2, "b.csv", "begun", True),
        (3, "c.csv", "delivered", False),
    ]


def test_a_line_that_is_gone_is_damage_once_the_step_is_over(home: Home) -> None:
    _die(home, "a.csv", "b.csv")
    with ledger.open_batch(home, lambda: AT) as batch:
        batch.note_intent(_file("c.csv"))
    for path in (ledger.batch_path(home, 1), ledger.batch_path(home, 2)):
        whole = path.read_text()
        lines = whole.splitlines(keepends=True)
        for cut in ([*lines[:1], *lines[2:]], lines[:-1] if path.stem == "00000001" else lines[1:]):
            path.write_text("".join(cut))
            with pytest.raises(DamagedError, match=f"^{path} is not as it was written: "):
                list(ledger.read_attempts(home, after=0))
        path.write_text(whole)


def test_many_threads_note_side_by_side_and_each_intent_is_there_before_its_outcome(
    home: Home,
) -> None:
    names = [f"{number:02d}.csv" for number in range(20)]
    organizations = [f"org_{number:02d}" for number in range(16)]

    def send_all(organization_id: str) -> None:
        for name in names:
            batch.note_intent(_file(name, organization_id))
            batch.note_outcomes((_file(name, organization_id), "delivered", None, False))

    with ledger.open_batch(home) as batch:
        threads = [threading.Thread(target=send_all, args=(each,)) for each in organizations]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    lines = [json.loads(line) for line in ledger.batch_path(home, 1).read_text().splitlines()]
    for organization_id in organizations:
        assert [
            (line["file_name"], line["outcome"])
            for line in lines[1:-1]
            if line["organization_id"] == organization_id
        ] == [(name, outcome) for name in names for outcome in ("begun", "delivered")]
    assert lines[-1]["line_count"] == len(lines) - 2


def test_a_full_disk_notes_all_of_an_attempt_or_nothing(home: Home, mount_small_disk) -> None:
    folder = home.landing / "_deliveries"
    folder.mkdir()
    mount_small_disk(folder, megabytes=1)
    names = [f"{'x' * 200}{number}.csv" for number in range(5000)]
    done: list[str] = []

    def send_all() -> None:
        with ledger.open_batch(home) as batch:
            for name in names:
                batch.note_intent(_file(name))
                done.append(name)

    with pytest.raises(LedgerError, match=r"cannot be written \(No space left on device\)"):
        send_all()
    assert 1000 < len(done) < len(names)
    assert [name for _, name, _, _ in _noted(home)] == done
