"""A file that its mailbox gives once is not lost with the run, or the connection, that had read it
(R13, R29).
"""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from bent_sftp import USERNAME, Bends, BentServer, serve_bent

from orchestration.contracts.organizations import read_organizations
from orchestration.devtools.demo import installation
from orchestration.devtools.loopback_sftp import HOST
from orchestration.installation.clock import utc_now
from orchestration.installation.home import Home
from orchestration.intake import arriving, checking
from orchestration.intake.loads import ErasureUnfinishedError
from orchestration.intake.receiving import receive
from orchestration.intake.recognizing import Arrival
from orchestration.landing import manifests, store
from orchestration.landing.manifests import LandedFile, Look
from orchestration.servers.connections import connect
from orchestration.servers.deadlines import Deadline
from orchestration.servers.errors import SftpError
from orchestration.servers.remote_files import Download, RemoteFile
from orchestration.servers.remote_reading import Attributes
from orchestration.servers.sftp import Client
from tests.orchestration.forking import run_module
from tests.orchestration.houses import House
from tests.orchestration.looking import look_into

DAY = date(2026, 3, 3)
NAME = f"{DAY}_toku_invoices.csv"
ROWS = "".join(f"C-{number},P-{number},2026-03-31,1000\n" for number in range(8000))
CONTENT = f"cliente,producto,vencimiento,monto\n{ROWS}".encode()
MORE = CONTENT + b"C-8000,P-8000,2026-03-31,1000\n"
HALF_WAY = ("orchestration.servers.deadlines:Deadline.allow", "after", "2")


@dataclass(frozen=True)
class Mailbox:
    """A server that removes what was read, and the installation that reads it."""

    server: BentServer
    house: House

    def put(self, content: bytes = CONTENT) -> None:
        (self.server.root / "inbox" / NAME).write_bytes(content)

    def carry(self, *dies: str, day: date | None = DAY) -> int:
        """Carry one load of a date, and die on the way if told so; the exit status.

        Without a date the inbox is checked.
        """
        home = self.house.home
        environment = {
            **os.environ,
            **home.environment(),
            **self.server.environment("agua"),
            "DAY": "" if day is None else day.isoformat(),
        }
        return run_module("tests.orchestration.carrying", dies, environment).returncode

    def look(self) -> tuple[Look, list[LandedFile]]:
        """Look into the inbox, without a load."""
        home = self.house.home
        (organization,) = read_organizations(home.seeds)
        return look_into(home, organization, {}, DAY, self.server.environment("agua"))

    def outcomes(self) -> list[str]:
        """How the looks of all loads ended."""
        found = manifests.read_manifests(self.house.home)
        return [look.outcome for manifest in found for look in manifest.looks]

    def landed(self) -> list[LandedFile]:
        """The files of all loads."""
        found = manifests.read_manifests(self.house.home)
        return [file for manifest in found for file in manifest.files]

    def contents(self) -> list[bytes]:
        """What landed, in the order of the loads."""
        return [store.stored_path(self.house.home, file).read_bytes() for file in self.landed()]

    def left(self) -> list[Path]:
        """What waits to be named by a load."""
        return list((self.house.home.landing / "_arriving").glob("*/*"))


@pytest.fixture
def mailbox(tmp_path: Path) -> Iterator[Mailbox]:
    with serve_bent(tmp_path / "server", tmp_path / "state", Bends(is_read_once=True)) as server:
        for folder in ("inbox", "outbox"):
            (server.root / folder).mkdir()
        contract = {
            "sftp_host": HOST,
            "sftp_port": str(server.port),
            "sftp_username": USERNAME,
            "inbox_dir": "inbox",
            "outbox_dir": "outbox",
        }
        house = House.make(tmp_path, {"agua": contract})
        installation.take_at_once(house.home.seeds)
        yield Mailbox(server, house)


@pytest.mark.parametrize(
    ("place", "when", "has_size"),
    [
        ("orchestration.servers.sftp:Client._receive_once", "before", True),
        ("orchestration.servers.sftp:Client._receive_once", "after", True),
        # Without a size nothing says that it is whole until the server has it no more.
        ("orchestration.intake.arriving:keep", "after", False),
        ("orchestration.landing.store:keep", "before", False),
        ("orchestration.landing.store:keep", "after", True),
        ("orchestration.landing.manifests:write_manifest", "before", True),
        ("orchestration.landing.manifests:write_manifest", "after", True),
        ("orchestration.intake.arriving:forget", "after", True),
    ],
)
def test_wherever_a_run_dies_the_file_is_landed_once_and_whole(
    mailbox: Mailbox, place: str, when: str, has_size: bool
) -> None:
    mailbox.server.bends.has_size = has_size
    mailbox.put()
    assert mailbox.carry(place, when, "1") == -signal.SIGKILL
    assert mailbox.carry() == 0
    assert mailbox.carry() == 0
    (file,) = mailbox.landed()
    assert (file.file_name, file.file_code) == (NAME, None)
    assert store.stored_path(mailbox.house.home, file).read_bytes() == CONTENT
    assert set(mailbox.outcomes()) == {"looked"}
    assert mailbox.left() == []


def test_a_run_of_an_earlier_date_leaves_what_a_killed_one_received(mailbox: Mailbox) -> None:
    mailbox.put()
    assert mailbox.carry("orchestration.landing.store:keep", "after", "1") == -signal.SIGKILL
    assert mailbox.carry(day=DAY - timedelta(days=1)) == 0
    assert mailbox.landed() == []
    assert mailbox.carry() == 0
    (file,) = mailbox.landed()
    assert store.stored_path(mailbox.house.home, file).read_bytes() == CONTENT
    assert mailbox.left() == []


def test_what_is_not_whole_is_told_each_time_until_it_has_been_sent_again(
    mailbox: Mailbox,
) -> None:
    mailbox.put()
    assert mailbox.carry(*HALF_WAY) == -signal.SIGKILL
    assert [mailbox.carry(), mailbox.carry()] == [0, 0]
    assert (mailbox.landed(), mailbox.outcomes()) == ([], ["half_received"] * 2)
    (look,) = next(reversed(list(manifests.read_manifests(mailbox.house.home)))).looks
    assert look.detail == (
        f"{NAME}: a run was ended, or the server broke off, while the file was received, and the"
        " inbox has it no more: have it sent again"
    )
    mailbox.put()
    assert mailbox.carry() == 0
    (file,) = mailbox.landed()
    assert store.stored_path(mailbox.house.home, file).read_bytes() == CONTENT
    assert mailbox.outcomes() == ["half_received"] * 2 + ["looked"]
    assert mailbox.left() == []


def test_of_a_server_that_breaks_off_what_is_not_whole_is_told_until_it_has_been_sent_again(
    mailbox: Mailbox,
) -> None:
    mailbox.put()
    mailbox.server.bends.most_waiting_reads = 0
    assert mailbox.carry() == 0
    mailbox.server.bends.most_waiting_reads = None
    assert mailbox.carry() == 0
    assert (mailbox.landed(), mailbox.outcomes()) == ([], ["connection_lost", "half_received"])
    mailbox.put()
    assert mailbox.carry() == 0
    (file,) = mailbox.landed()
    assert store.stored_path(mailbox.house.home, file).read_bytes() == CONTENT
    assert mailbox.left() == []


@pytest.mark.parametrize(
    "size", [{}, {"has_size": False}, {"extra_size": 3}, {"extra_size": -3}], ids=str
)
@pytest.mark.parametrize("outcome", ["connection_lost", "server_failed", "no_permission"])
def test_what_was_whole_before_the_server_broke_off_is_landed_by_the_next_look(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, outcome: str, size: dict[str, Any]
) -> None:
    ask, asked = Client._ask, 0

    def break_off(client: Client, path: str) -> Attributes:
        nonlocal asked
        asked += 1
        if asked == 1:
            return ask(client, path)
        if outcome != "connection_lost":
            raise SftpError(outcome, "no answer")
        client._sftp.get_channel().get_transport().close()
        return ask(client, path)

    for name, value in size.items():
        setattr(mailbox.server.bends, name, value)
    mailbox.put(MORE)
    mailbox.look()
    mailbox.put()
    with monkeypatch.context() as once:
        once.setattr(Client, "_ask", break_off)
        looked, files = mailbox.look()
    assert (looked.outcome, files) == (outcome, [])
    looked, (file,) = mailbox.look()
    assert looked.outcome == "looked"
    assert store.stored_path(mailbox.house.home, file).read_bytes() == CONTENT
    assert mailbox.left() == []


def _break_off(home: Home, remote: RemoteFile, content: bytes | None) -> None:
    """Receive all of a file, or drop what was received of it, before its server says no more."""
    with arriving.receiving(home, "agua", remote) as (target, begun):
        error = SftpError("connection_lost", "no answer")
        if content is None:
            begun.part.unlink()
        else:
            target.write(content)
            target.flush()
            error.has_read_all = True
        raise error


def test_what_may_have_grown_while_it_was_read_is_not_taken_for_whole(tmp_path: Path) -> None:
    """It may have been removed then: only of a mailbox is the listed size another form's."""
    home, remote = Home(tmp_path, tmp_path), RemoteFile(NAME, 2, None)
    for gives_once in (False, True):
        with pytest.raises(SftpError, match="no answer"):
            _break_off(home, remote, b"abc")
        left, problems = arriving.find_left(home, "agua", [], {}, {}, utc_now())
        assert [code for code, _ in problems] == ([] if gives_once else ["half_received"])
        assert [each.download.byte_count for each in left.values()] == [3] * gives_once
        arriving.forget(arriving.read_left(home, "agua"))
        (home.landing / "_arriving" / "agua.gives_once").touch()


def test_what_was_not_wanted_and_may_be_gone_is_told_by_the_next_look(tmp_path: Path) -> None:
    home, remote = Home(tmp_path, tmp_path), RemoteFile(NAME, None, None)
    with pytest.raises(SftpError, match="no answer"):
        _break_off(home, remote, None)
    _, problems = arriving.find_left(home, "agua", [], {}, {}, utc_now())
    assert [code for code, _ in problems] == ["half_received"]


@pytest.mark.parametrize("most_chunks", [0, 1])
@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (OSError(errno.ENOSPC, "no space"), "disk_full"),
        (SftpError("server_failed", "the server failed"), "server_failed"),
        (SftpError("no_permission", "not allowed any more"), "no_permission"),
    ],
)
def test_what_was_read_in_part_before_any_error_is_told_until_it_has_been_sent_again(
    mailbox: Mailbox,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    outcome: str,
    most_chunks: int,
) -> None:
    chunks = 0

    def fail(deadline: Deadline, byte_count: int) -> None:
        nonlocal chunks
        chunks += 1
        if chunks > most_chunks:
            raise error

    mailbox.put(MORE)
    mailbox.look()
    mailbox.put()
    with monkeypatch.context() as once:
        once.setattr(Deadline, "allow", fail)
        looked, files = mailbox.look()
    assert (looked.outcome, files) == (outcome, [])
    assert [path.suffix for path in mailbox.left()] == [".json"]
    for _ in range(2):
        looked, files = mailbox.look()
        assert (looked.outcome, files) == ("half_received", [])
    mailbox.put()
    looked, (file,) = mailbox.look()
    assert looked.outcome == "looked"
    assert store.stored_path(mailbox.house.home, file).read_bytes() == CONTENT
    assert mailbox.left() == []


def test_what_a_server_without_sizes_still_had_after_the_first_reading_is_not_known_to_be_whole(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have been an upload: the second reading, which would have told, broke off."""
    receive, readings = Client._receive, 0

    def break_off(client: Client, *arguments: Any) -> tuple[str, int]:
        nonlocal readings
        readings += 1
        if readings > 1:
            raise SftpError("connection_lost", "the connection broke")
        return receive(client, *arguments)

    mailbox.server.bends.is_read_once = mailbox.server.bends.has_size = False
    mailbox.put()
    with monkeypatch.context() as once:
        once.setattr(Client, "_receive", break_off)
        looked, files = mailbox.look()
    assert (looked.outcome, files) == ("connection_lost", [])
    (mailbox.server.root / "inbox" / NAME).unlink()
    looked, files = mailbox.look()
    assert (looked.outcome, files) == ("half_received", [])


@pytest.mark.parametrize("has_size", [True, False])
def test_what_its_server_removed_is_whole_though_it_fails_for_missing_names(
    mailbox: Mailbox, has_size: bool
) -> None:
    mailbox.server.bends.fails_for_missing = True
    mailbox.server.bends.has_size = has_size
    mailbox.put()
    looked, (file,) = mailbox.look()
    assert looked.outcome == "looked"
    assert store.stored_path(mailbox.house.home, file).read_bytes() == CONTENT
    assert mailbox.left() == []


@pytest.mark.parametrize("code", ["server_failed", "no_permission"])
@pytest.mark.parametrize("is_there", [False, True])
def test_what_its_server_removed_is_whole_however_it_refuses_a_second_reading(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, code: str, is_there: bool
) -> None:
    """Without a size the second reading tells: an error, while the file is there, tells nothing."""
    receive, readings = Client._receive, 0
    path = mailbox.server.root / "inbox" / NAME

    def refuse(client: Client, *arguments: Any) -> tuple[str, int]:
        nonlocal readings
        readings += 1
        if readings == 1:
            return receive(client, *arguments)
        if not is_there:
            path.unlink()
        raise SftpError(code, "no second time")

    mailbox.server.bends.is_read_once = mailbox.server.bends.has_size = False
    mailbox.put()
    with monkeypatch.context() as once:
        once.setattr(Client, "_receive", refuse)
        looked, files = mailbox.look()
    if is_there:
        assert (looked.outcome, files) == (code, [])
        looked, files = mailbox.look()
    assert looked.outcome == "looked"
    assert [store.stored_path(mailbox.house.home, file).read_bytes() for file in files] == [CONTENT]
    assert mailbox.left() == []


@pytest.mark.parametrize("is_read_once", [True, False])
def test_a_file_that_a_check_found_too_large_is_told_by_the_next_run_if_it_is_gone(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, is_read_once: bool
) -> None:
    """Without a size it is read up to the limit, and its mailbox has removed it."""
    mailbox.server.bends.has_size = False
    mailbox.server.bends.is_read_once = is_read_once
    mailbox.put(CONTENT * 5)
    home = mailbox.house.home
    environment = {**mailbox.server.environment("agua"), "SALDO_FILE_LIMIT": "1MB"}
    (checked,) = checking.check(home, read_organizations(home.seeds), environment)
    assert checked.code == "file_too_large"
    assert [path.suffix for path in mailbox.left()] == [".json"] * is_read_once
    looked, files = mailbox.look()
    assert looked.outcome == ("half_received" if is_read_once else "looked")
    assert len(files) == (0 if is_read_once else 1)


def test_a_half_is_told_no_more_when_a_check_has_read_what_was_sent_again(
    mailbox: Mailbox,
) -> None:
    mailbox.put()
    assert mailbox.carry(*HALF_WAY) == -signal.SIGKILL
    assert mailbox.carry() == 0
    mailbox.put()
    assert mailbox.carry(day=None) == 0
    assert mailbox.carry() == 0
    assert (mailbox.contents(), mailbox.outcomes()) == ([CONTENT], ["half_received", "looked"])
    assert mailbox.left() == []


@pytest.mark.parametrize(("minutes", "is_told"), [(-1, True), (1, False)])
def test_a_half_is_told_no_more_when_a_later_file_of_its_name_is_in_a_load(
    mailbox: Mailbox, minutes: int, is_told: bool
) -> None:
    mailbox.put()
    assert mailbox.carry(*HALF_WAY) == -signal.SIGKILL
    now = utc_now()
    received = {NAME: (now + timedelta(minutes=minutes)).replace(tzinfo=None)}
    _, problems = arriving.find_left(mailbox.house.home, "agua", [], {}, received, now)
    assert [code for code, _ in problems] == ["half_received"] * is_told
    assert (mailbox.left() != []) is is_told


def test_a_half_is_told_for_seven_days(mailbox: Mailbox) -> None:
    """Counted from when it was first told: nothing is forgotten while nobody runs anything."""
    mailbox.put()
    assert mailbox.carry(*HALF_WAY) == -signal.SIGKILL
    told = []
    first = utc_now() + timedelta(days=30)
    for days in (0, 1, 7, 8, 9):
        now = first + timedelta(days=days)
        _, problems = arriving.find_left(mailbox.house.home, "agua", [], {}, {}, now)
        told.append([code for code, _ in problems])
    assert told == [["half_received"]] * 3 + [[]] * 2
    assert mailbox.left() == []


def test_what_a_check_has_read_is_landed_by_the_next_run(mailbox: Mailbox) -> None:
    mailbox.put()
    home = mailbox.house.home
    (checked,) = checking.check(
        home, read_organizations(home.seeds), mailbox.server.environment("agua")
    )
    assert (checked.record_count, checked.accepted_count) == (8000, 8000)
    assert "gives a file once: this one is kept for the next run" in checked.notes
    assert mailbox.carry() == 0
    (file,) = mailbox.landed()
    assert store.stored_path(home, file).read_bytes() == CONTENT
    assert mailbox.left() == []


@pytest.mark.parametrize("fails_for_missing", [True, False])
@pytest.mark.parametrize("is_read_once", [True, False])
def test_a_check_keeps_what_it_has_read_if_the_inbox_has_it_no_more(
    mailbox: Mailbox, tmp_path: Path, is_read_once: bool, fails_for_missing: bool
) -> None:
    mailbox.server.bends.is_read_once = is_read_once
    mailbox.server.bends.fails_for_missing = fails_for_missing
    trial = Home(tmp_path / "trial", mailbox.house.home.seeds)
    assert _read_for(trial, mailbox, limit=10**9).sha256 == sha256(CONTENT).hexdigest()
    (lent,) = (trial.landing / "agua").iterdir()
    assert lent.read_bytes() == CONTENT
    kept = arriving.find_whole(mailbox.house.home, "agua")
    assert [each.sha256 for each in kept] == [sha256(CONTENT).hexdigest()] * is_read_once


@pytest.mark.parametrize("fails_for_missing", [True, False])
@pytest.mark.parametrize("is_read_once", [True, False])
def test_a_check_notes_a_file_that_it_found_too_large_if_the_inbox_has_it_no_more(
    mailbox: Mailbox, tmp_path: Path, is_read_once: bool, fails_for_missing: bool
) -> None:
    mailbox.server.bends.has_size = False
    mailbox.server.bends.is_read_once = is_read_once
    mailbox.server.bends.fails_for_missing = fails_for_missing
    trial = Home(tmp_path / "trial", mailbox.house.home.seeds)
    assert _read_for(trial, mailbox, limit=9).file_code == "file_too_large"
    assert [path.suffix for path in mailbox.left()] == [".json"] * is_read_once


def _read_for(trial: Home, mailbox: Mailbox, limit: int) -> LandedFile:
    """Receive what the mailbox has for a trial, as a check does."""
    mailbox.put()
    home = mailbox.house.home
    (organization,) = read_organizations(home.seeds)
    with connect(organization, mailbox.server.environment("agua")) as client:
        (remote,) = client.list_files("inbox")
        arrival = Arrival("invoices", DAY, remote)
        return receive(home, organization, client, arrival, utc_now, limit, trial=trial).file


@pytest.mark.parametrize(
    ("place", "when"),
    [
        ("orchestration.servers.sftp:Client._receive_once", "after"),
        ("orchestration.intake.receiving:_lend", "before"),
        ("orchestration.intake.arriving:keep", "after"),
        ("orchestration.intake.checking:_try_files", "before"),
    ],
)
def test_wherever_a_check_dies_the_next_run_has_the_file(
    mailbox: Mailbox, place: str, when: str
) -> None:
    mailbox.put()
    assert mailbox.carry(place, when, "1", day=None) == -signal.SIGKILL
    assert mailbox.carry() == 0
    assert (mailbox.contents(), mailbox.outcomes()) == ([CONTENT], ["looked"])
    assert mailbox.left() == []


def test_a_check_leaves_nothing_of_what_the_inbox_still_has(mailbox: Mailbox) -> None:
    mailbox.server.bends.is_read_once = False
    mailbox.put()
    assert mailbox.carry(day=None) == 0
    assert [path for path in mailbox.house.home.landing.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("place", "when"),
    [
        ("orchestration.servers.sftp:Client._receive_once", "after"),
        ("orchestration.landing.store:keep", "before"),
        ("orchestration.landing.manifests:write_manifest", "before"),
    ],
)
def test_what_was_received_is_landed_before_another_file_of_its_name(
    mailbox: Mailbox, place: str, when: str
) -> None:
    """A mailbox that gave a file once gives no file twice: the other is a later one (R8)."""
    mailbox.put(MORE)
    assert mailbox.carry(day=DAY) == 0
    mailbox.put()
    assert mailbox.carry(place, when, "1") == -signal.SIGKILL
    mailbox.put(MORE)
    assert [mailbox.carry(), mailbox.carry()] == [0, 0]
    assert mailbox.contents() == [MORE, CONTENT, MORE]
    assert mailbox.left() == []


@pytest.mark.parametrize("is_read_once", [True, False])
def test_the_first_file_that_a_mailbox_ever_gave_is_landed_before_another_of_its_name(
    mailbox: Mailbox, is_read_once: bool
) -> None:
    """What becomes of the second file tells whether the first was removed or replaced."""
    mailbox.server.bends.is_read_once = is_read_once
    mailbox.put()
    place = "orchestration.servers.sftp:Client._receive_once"
    assert mailbox.carry(place, "after", "1") == -signal.SIGKILL
    mailbox.put(MORE)
    assert [mailbox.carry() for _ in range(2)] == [0] * 2
    assert mailbox.contents() == ([CONTENT, MORE] if is_read_once else [MORE])
    assert mailbox.left() == []


def test_two_files_of_one_name_are_landed_in_the_order_in_which_they_came(
    mailbox: Mailbox,
) -> None:
    """Their notes have names drawn at random, and the second may look as the first."""
    mailbox.server.bends.has_time = False
    other = CONTENT.replace(b"1000", b"2000")
    organization_id = "agua"
    home = mailbox.house.home
    for content in (CONTENT, other, CONTENT, other):
        remote = RemoteFile(NAME, len(content), None)
        with arriving.receiving(home, organization_id, remote) as (target, begun):
            target.write(content)
        download = Download(sha256(content).hexdigest(), len(content), is_taken_away=True)
        arriving.keep(home, organization_id, begun, download)
    assert [mailbox.carry() for _ in range(4)] == [0] * 4
    assert mailbox.contents() == [CONTENT, other, CONTENT, other]
    assert mailbox.left() == []


def test_a_part_of_a_file_that_its_server_still_has_is_received_anew(mailbox: Mailbox) -> None:
    """Of as many bytes as the first, and other ones: nothing says what was received of it."""
    mailbox.server.bends.is_read_once = False
    mailbox.put()
    place = "orchestration.servers.sftp:Client._receive_once"
    assert mailbox.carry(place, "after", "1") == -signal.SIGKILL
    other = CONTENT.replace(b"1000", b"2000")
    mailbox.put(other)
    assert mailbox.carry() == 0
    assert mailbox.contents() == [other]
    assert mailbox.left() == []


def test_nothing_is_received_by_a_check_while_a_person_is_being_erased(mailbox: Mailbox) -> None:
    """What it landed would name the person again."""
    mailbox.put()
    home = mailbox.house.home
    home.erasure.touch()
    environment = mailbox.server.environment("agua")
    with pytest.raises(ErasureUnfinishedError, match=r"^an erasure was begun and has not ended: "):
        checking.check(home, read_organizations(home.seeds), environment)
    assert (mailbox.server.root / "inbox" / NAME).read_bytes() == CONTENT
    assert mailbox.left() == []


def _is_waited_for(path: Path) -> bool:
    """Whether somebody waits for the lock of a folder, as Linux says it."""
    locks = Path("/proc/locks").read_text().splitlines()
    return any("->" in lock and f":{path.stat().st_ino} " in lock for lock in locks)


def test_what_a_check_is_receiving_is_not_left(mailbox: Mailbox) -> None:
    home, remote = mailbox.house.home, RemoteFile(NAME, 1000, None)
    with ThreadPoolExecutor() as pool:
        with arriving.reading(home, "agua"):
            with arriving.receiving(home, "agua", remote) as (target, begun):
                target.write(CONTENT[:10])
                found = pool.submit(arriving.find_left, home, "agua", [], {}, {}, utc_now())
                while not _is_waited_for(home.landing / "_arriving" / "agua"):
                    assert not found.done()
            begun.forget()
        assert found.result() == ({}, [])
