"""Transfers that go wrong, against a real server: what a look says and what has landed.

One look after another into the inbox of one organization. Nothing that goes wrong may leave half a
file in the landing area, and what can be had is taken (R13, R20).
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import paramiko
import pytest
import stamina

from orchestration.contracts.organizations import Organization
from orchestration.contracts.tables import ContractError
from orchestration.devtools.loopback_sftp import HOST, LoopbackServer, serve
from orchestration.installation.home import Home
from orchestration.intake import arriving, inbox
from orchestration.intake.arriving import Arriving
from orchestration.intake.inbox import Seen
from orchestration.landing import store
from orchestration.landing.manifests import LandedFile, Look
from orchestration.servers import remote_reading
from orchestration.servers.connections import connect
from orchestration.servers.errors import WHAT_TO_DO
from orchestration.servers.remote_files import RemoteFile
from orchestration.servers.remote_reading import Attributes
from tests.orchestration.freezing import processes_of
from tests.orchestration.looking import look_into

TODAY = date(2026, 3, 3)
WRITTEN = datetime(2026, 3, 3, 7, tzinfo=UTC)
RECEIVED = datetime(2026, 3, 3, 8, tzinfo=UTC)
INVOICES = "2026-03-03_toku_invoices.csv"
PAYMENTS = "2026-03-03_toku_payments.csv"
CHANGED = (
    "still_growing",
    f"the file changed while it was read: {WHAT_TO_DO['still_growing']}",
)
BIG = bytes(range(256)) * 65536  # 16 MiB, long enough to be met half-way


@dataclasses.dataclass
class Place:
    """One organization on one server, and a home."""

    home: Home
    server: LoopbackServer
    organization: Organization
    environment: dict[str, str]

    @property
    def inbox(self) -> Path:
        """Its inbox, on the server's side."""
        return self.server.root / self.organization.inbox_dir

    def put(self, name: str | bytes, content: bytes = b"x") -> Path:
        """Leave a file in the inbox, written some time ago."""
        path = Path(os.fsdecode(os.fsencode(self.inbox) + b"/" + os.fsencode(name)))
        path.write_bytes(content)
        os.utime(path, (WRITTEN.timestamp(), WRITTEN.timestamp()))
        return path

    def look(
        self, seen: dict[tuple[str, str], Seen] | None = None, **environment: str
    ) -> tuple[Look, list[LandedFile]]:
        """Look into the inbox; what landed is whole and nothing else is there."""
        look, files = look_into(
            self.home,
            self.organization,
            seen or {},
            TODAY,
            {**self.environment, **environment},
            lambda: RECEIVED,
        )
        for file in files:
            path = store.file_path(self.home, file.organization_id, file.sha256)
            if file.sha256:
                content = path.read_bytes()
                assert hashlib.sha256(content).hexdigest() == file.sha256
                assert len(content) == file.byte_count
        return look, files

    def landed(self) -> set[str]:
        """The names of all files in the landing area, hidden ones too, but no mark of an inbox."""
        paths = [path for path in self.home.landing.rglob("*") if path.is_file()]
        return {path.name for path in paths if path.suffix != ".gives_once"}


@pytest.fixture
def place(home, sftp_server, make_organization) -> Place:
    return Place(home, sftp_server, make_organization(), sftp_server.environment(["lumina"]))


@pytest.fixture
def own_place(home, make_organization, tmp_path) -> Iterator[Place]:
    """A place on a server of its own, which may be harmed."""
    with serve(tmp_path / "root", tmp_path / "state") as server:
        organization = make_organization(sftp_port=server.port, inbox_dir="inbox")
        (server.root / "inbox").mkdir()
        yield Place(home, server, organization, server.environment(["lumina"]))


@pytest.fixture(autouse=True)
def impatient(monkeypatch) -> Iterator[None]:
    """Nobody waits for long: neither for a server that is silent nor between two attempts."""
    monkeypatch.setattr(inbox, "connect", partial(connect, timeout_seconds=1))
    with stamina.set_testing(True, attempts=2, cap=True):
        yield


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _names(files: list[LandedFile]) -> list[tuple[str, str | None]]:
    return [(file.file_name, file.file_code) for file in files]


@contextmanager
def _at_the_first_chunk(
    monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]
) -> Iterator[None]:
    """Something happens when the first bytes of a download have arrived."""
    receiving = arriving.receiving

    @contextmanager
    def meddled(
        home: Home, organization_id: str, remote: RemoteFile
    ) -> Iterator[tuple[object, Arriving]]:
        with receiving(home, organization_id, remote) as (target, noted):
            write = target.write

            class Target:
                flush, seek, truncate = target.flush, target.seek, target.truncate
                is_first = True

                def write(self, content: bytes) -> int:
                    if self.is_first:
                        self.is_first = False
                        act()
                    return write(content)

            yield Target(), noted

    with monkeypatch.context() as patched:
        patched.setattr(arriving, "receiving", meddled)
        yield


class TestFilesThatChange:
    """R13: whole files only."""

    def test_a_file_that_grows_for_a_while_is_taken_when_it_is_whole(self, place):
        path = place.put(INVOICES, b"")
        is_done = threading.Event()

        def upload() -> None:
            with path.open("ab", buffering=0) as target:
                while not is_done.is_set():
                    target.write(BIG[:4096])
                    time.sleep(0.001)

        uploader = threading.Thread(target=upload)
        uploader.start()
        try:
            while not path.stat().st_size:
                time.sleep(0.01)
            growing = [place.look() for _ in range(3)]
        finally:
            is_done.set()
            uploader.join()
        assert growing == [(Look("lumina", *CHANGED, files_seen=1), [])] * 3
        assert place.landed() == set()
        look, files = place.look()
        assert look == Look("lumina", "looked", files_seen=1, files_taken=1)
        assert place.landed() == {_hash(path.read_bytes())} == {files[0].sha256}

    @pytest.mark.parametrize(
        "change",
        [
            lambda path: os.truncate(path, 1 << 20),
            lambda path: os.truncate(path, 0),
            lambda path: path.write_bytes(BIG[::-1]),
            lambda path: (path.unlink(), path.symlink_to("/etc/hostname")),
            lambda path: (path.unlink(), path.mkdir()),
        ],
        ids=["truncated", "emptied", "rewritten", "made a link", "made a folder"],
    )
    def test_a_file_that_changes_while_it_is_read_stays_for_the_next_look(
        self, place, monkeypatch, change
    ):
        path = place.put(INVOICES, BIG)
        with _at_the_first_chunk(monkeypatch, lambda: change(path)):
            assert place.look() == (Look("lumina", *CHANGED, files_seen=1), [])
        assert place.landed() == set()

    def test_a_file_that_is_deleted_while_it_is_read_is_taken_if_it_was_read_whole(
        self, place, monkeypatch
    ):
        path = place.put(INVOICES, BIG)
        with _at_the_first_chunk(monkeypatch, path.unlink):
            look, files = place.look()
        assert look == Look("lumina", "looked", files_seen=1, files_taken=1)
        assert place.landed() == {_hash(BIG)} == {files[0].sha256}

    def test_a_file_that_grows_keeps_its_place_before_those_of_later_days(self, place, monkeypatch):
        path = place.put("2026-03-02_toku_invoices.csv", BIG)
        place.put(INVOICES)
        place.put(PAYMENTS)
        with _at_the_first_chunk(monkeypatch, lambda: os.truncate(path, len(BIG) + 1)):
            look, files = place.look()
        assert look == Look("lumina", *CHANGED, files_seen=3, files_taken=1, files_waiting=1)
        assert _names(files) == [(PAYMENTS, None)]


class TestServersThatFail:
    """R20: the outcome has a code, and nothing half has landed."""

    @pytest.mark.parametrize(
        ("signal_number", "outcome"),
        [(signal.SIGKILL, "connection_lost"), (signal.SIGSTOP, "timed_out")],
        ids=["killed", "frozen"],
    )
    def test_a_server_that_ends_or_freezes_in_the_middle_of_a_file(
        self, own_place, monkeypatch, signal_number, outcome
    ):
        own_place.put(PAYMENTS)
        own_place.put(INVOICES, BIG)
        stopped: list[int] = []

        def harm() -> None:
            for process in processes_of(own_place.server):
                os.kill(process, signal_number)
                stopped.append(process)

        started = time.monotonic()
        with _at_the_first_chunk(monkeypatch, harm):
            look, files = own_place.look()
        seconds = time.monotonic() - started
        if signal_number == signal.SIGSTOP:
            for process in stopped:
                os.kill(process, signal.SIGCONT)
        assert (look.outcome, look.files_seen, files) == (outcome, 2, [])
        # Notes alone, of what was asked for, until a look finds that the inbox still has it.
        assert {Path(name).suffix for name in own_place.landed()} == {".json"}
        assert seconds < 5
        if signal_number == signal.SIGSTOP:
            assert _names(own_place.look()[1]) == [(INVOICES, None), (PAYMENTS, None)]
            assert own_place.landed() == {_hash(BIG), _hash(b"x")}

    @pytest.mark.parametrize("fault", ["wrong host key", "changed host key", "refused login"])
    def test_a_server_or_a_login_that_is_not_the_right_one(self, place, tmp_path, fault):
        place.put(INVOICES)
        known_hosts, key = tmp_path / "known_hosts", tmp_path / "key"
        other = paramiko.ECDSAKey.generate()
        other.write_private_key_file(str(key))
        text = place.server.known_hosts_file.read_text()
        if fault == "changed host key":
            text = f"[{HOST}]:{place.server.port} {other.get_name()} {other.get_base64()}\n"
        elif fault == "wrong host key":
            text = text.replace(HOST, "elsewhere")
        known_hosts.write_text(text)
        environment = {"SFTP_KNOWN_HOSTS_FILE": str(known_hosts)}
        if fault == "refused login":
            environment["SFTP_PRIVATE_KEY_FILE_LUMINA"] = str(key)
        look, files = place.look(**environment)
        assert (look.outcome, look.files_seen, files) == (
            {
                "wrong host key": "host_key_unknown",
                "changed host key": "host_key_changed",
                "refused login": "login_refused",
            }[fault],
            0,
            [],
        )
        assert place.landed() == set()


class TestAFullDisk:
    """The disk of this machine: nothing is lost, the next look takes it."""

    @pytest.mark.parametrize("size", [100_000, 1_500_000], ids=["small file", "large file"])
    def test_a_file_beyond_what_the_disk_holds_is_taken_when_there_is_room(
        self, place, tmp_path, size
    ):
        """Looked at in a process that may write no file of more than 64 KB (RLIMIT_FSIZE)."""
        place.put(INVOICES, BIG[:size])
        place.put(PAYMENTS)
        script = """
import os, resource, sys
from datetime import UTC, date, datetime
from pathlib import Path
from orchestration.contracts.organizations import read_organizations
from orchestration.installation.home import Home
from tests.orchestration.looking import look_into
import dataclasses
home, seeds, port, username, inbox = sys.argv[1:]
organization = dataclasses.replace(
    read_organizations(Path(seeds))[0],
    sftp_port=int(port), sftp_username=username, inbox_dir=inbox,
)
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
look, files = look_into(
    Home(Path(home), Path(seeds)), organization, {}, date(2026, 3, 3), os.environ
)
print(look.outcome, "|", look.detail, "|", len(files))
"""
        arguments = [
            str(place.home.root),
            str(place.home.seeds),
            str(place.server.port),
            place.server.username,
            place.organization.inbox_dir,
        ]
        said = subprocess.run(
            [sys.executable, "-c", script, *arguments],
            env={**os.environ, **place.environment},
            capture_output=True,
            text=True,
            check=True,
        )
        told = "no space is left on this machine: free disk space, then run again"
        assert said.stdout == f"disk_full | {told} | 0\n"
        # The note of the file alone, until a look finds that the inbox still has it.
        assert [Path(name).suffix for name in place.landed()] == [".json"]
        assert _names(place.look()[1]) == [(INVOICES, None), (PAYMENTS, None)]
        assert place.landed() == {_hash(BIG[:size]), _hash(b"x")}

    def test_a_disk_of_one_megabyte(self, place, mount_small_disk):
        place.put(INVOICES, BIG)
        mount_small_disk(place.home.landing, megabytes=1)
        look, files = place.look()
        assert (look.outcome, files) == ("disk_full", [])
        assert [Path(name).suffix for name in place.landed()] == [".json"]


class TestNames:
    """Remote names are data (R13)."""

    @pytest.mark.parametrize(
        "odd",
        [
            "..",
            "..%2f..%2f",
            "..\\..\\",
            "new\nline",
            "\r\x1b[31m",
            "'; drop table raw.loads; --",
            "=cmd|'C calc'!A0",
            "$(touch x)`id`",
            "ñandú😀",
            "~",
            "-rf ",
            "x" * 200,
        ],
    )
    def test_a_file_of_an_odd_name_is_taken_under_its_hash(self, place, odd):
        place.organization = dataclasses.replace(
            place.organization, invoices_pattern="*YYYY-MM-DD*"
        )
        name = f"{odd}2026-03-03{odd}"[:250]
        place.put(name)
        look, files = place.look()
        assert look == Look("lumina", "looked", files_seen=1, files_taken=1)
        assert _names(files) == [(name, None)]
        assert place.landed() == {_hash(b"x")}
        assert [path.name for path in place.inbox.iterdir()] == [name]

    def test_a_name_of_latin_1_bytes_is_told_and_hides_no_other(self, place):
        place.organization = dataclasses.replace(
            place.organization, invoices_pattern="YYYY-MM-DD*.csv"
        )
        place.put(b"2026-03-02_a\xf1o.csv")
        place.put(b"\xf1.txt")
        place.put("2026-03-03.csv")
        look, files = place.look()
        assert look == Look(
            "lumina",
            "invalid_name",
            "the name of a file is not UTF-8: have the organization name it in plain letters",
            files_seen=3,
            files_taken=1,
        )
        assert _names(files) == [("2026-03-03.csv", None)]

    def test_a_latin_1_name_that_no_contract_asks_for_is_nobodys_business(self, place):
        place.put(b"a\xf1o.csv")
        place.put(INVOICES)
        look, files = place.look()
        assert look == Look("lumina", "looked", files_seen=2, files_taken=1)
        assert _names(files) == [(INVOICES, None)]

    @pytest.mark.parametrize("name", ["../2026-03-03", "/etc/2026-03-03", "a/../../2026-03-03"])
    def test_a_server_that_lists_a_path_is_not_followed(self, place, monkeypatch, name):
        """No file system holds such a name; a server that lies can list it."""
        place.organization = dataclasses.replace(
            place.organization, invoices_pattern="*YYYY-MM-DD", payments_pattern="YYYY-MM-DD.p"
        )
        place.put("2026-03-03.p")
        (place.inbox.parent / "2026-03-03").write_bytes(b"of somebody else")
        modified_at = int((place.inbox / "2026-03-03.p").lstat().st_mtime)
        read_folder = remote_reading.read_folder

        def lying(*arguments):
            yield name.encode(), Attributes(is_file=True, size=16, modified_at=modified_at)
            yield from read_folder(*arguments)

        monkeypatch.setattr(remote_reading, "read_folder", lying)
        look, files = place.look()
        assert (look.outcome, look.files_taken) == ("invalid_name", 1)
        assert _names(files) == [("2026-03-03.p", None)]
        assert place.landed() == {_hash(b"x")}

    def test_links_and_folders_with_the_name_of_a_file_are_no_files(self, place):
        (place.inbox.parent / "aim").write_bytes(b"aim")
        (place.inbox / INVOICES).symlink_to(place.inbox.parent / "aim")
        (place.inbox / "2026-03-02_toku_invoices.csv").symlink_to("/etc/hostname")
        (place.inbox / "2026-03-01_toku_invoices.csv").symlink_to("nowhere")
        (place.inbox / PAYMENTS).mkdir()
        os.mkfifo(place.inbox / "2026-03-02_toku_payments.csv")
        told = f"{INVOICES}: a link or special file, have the file itself sent"
        assert place.look() == (Look("lumina", "not_a_file", told), [])


class TestOneFileAmongOthers:
    """R20, within one inbox: a file that cannot be had keeps back no other."""

    @pytest.fixture
    def place(self, place, monkeypatch) -> Place:
        """Root may read everything: the server's refusal is played."""
        read_chunks = remote_reading.read_chunks

        def refusing(sftp, path, *rest):
            if path.endswith("forbidden.csv"):
                raise PermissionError("Permission denied")
            if path.endswith("failing.csv"):
                raise OSError("Failure")
            yield from read_chunks(sftp, path, *rest)

        monkeypatch.setattr(remote_reading, "read_chunks", refusing)
        place.organization = dataclasses.replace(
            place.organization,
            invoices_pattern="YYYY-MM-DD_d*.csv",
            payments_pattern="YYYY-MM-DD_p*.csv",
        )
        return place

    @pytest.mark.parametrize(
        ("name", "outcome"), [("forbidden", "no_permission"), ("failing", "server_failed")]
    )
    def test_the_others_are_taken_and_the_fault_is_told(self, place, name, outcome):
        for file in (f"01_d_{name}", "02_d", "03_d", f"01_p_{name}", "02_p", "03_p"):
            place.put(f"2026-03-{file}.csv")
        look, files = place.look()
        assert (look.outcome, look.files_seen, look.files_taken) == (outcome, 6, 3)
        assert look.files_waiting == 1  # the debts file of the third, for the next load
        assert [file.file_name for file in files] == [
            "2026-03-02_p.csv",
            "2026-03-03_p.csv",
            "2026-03-02_d.csv",
        ]


class TestManyFiles:
    """A full inbox."""

    def test_a_thousand_files_are_taken_in_one_look(self, place):
        for number in range(1000):
            day = date.fromordinal(TODAY.toordinal() - number)
            place.put(f"{day}_toku_payments.csv", b"%d" % number)
        look, files = place.look()
        assert look == Look("lumina", "looked", files_seen=1000, files_taken=1000)
        assert [file.business_date.toordinal() for file in files] == [
            TODAY.toordinal() - number for number in reversed(range(1000))
        ]
        assert place.landed() == {_hash(b"%d" % number) for number in range(1000)}

    def test_of_a_thousand_debts_files_the_oldest_is_taken_and_the_others_wait(self, place):
        for number in range(1000):
            place.put(f"{date.fromordinal(TODAY.toordinal() - number)}_toku_invoices.csv")
        look, files = place.look()
        name = f"{TODAY}_toku_invoices.csv"
        waits = f"{name}: an older debts file goes first, and the next load takes this one"
        assert look == Look(
            "lumina", "looked", waits, files_seen=1000, files_taken=1, files_waiting=999
        )
        assert files[0].business_date.toordinal() == TODAY.toordinal() - 999


class TestLargeFiles:
    """R16: what is larger than SALDO_FILE_LIMIT is refused before it is downloaded."""

    def _put_sparse(self, place: Place, name: str, size: int) -> None:
        path = place.put(name, b"")
        os.truncate(path, size)
        os.utime(path, (WRITTEN.timestamp(), WRITTEN.timestamp()))

    def test_five_gigabytes_against_a_limit_of_one(self, place):
        self._put_sparse(place, INVOICES, 5 * 10**9)
        place.put(PAYMENTS)
        started = time.monotonic()
        look, files = place.look(SALDO_FILE_LIMIT="1GB")
        assert time.monotonic() - started < 2
        assert look == Look("lumina", "looked", files_seen=2, files_taken=2)
        assert [(file.file_code, file.byte_count, file.sha256) for file in files] == [
            ("file_too_large", 5 * 10**9, ""),
            (None, 1, _hash(b"x")),
        ]
        assert place.landed() == {_hash(b"x")}

    @pytest.mark.parametrize(("size", "code"), [(10**6, None), (10**6 + 1, "file_too_large")])
    def test_the_limit_itself_is_allowed(self, place, size, code):
        self._put_sparse(place, INVOICES, size)
        assert _names(place.look(SALDO_FILE_LIMIT="1MB")[1]) == [(INVOICES, code)]

    @pytest.mark.parametrize(("limit", "taken"), [("1MB", []), ("2MB", [(INVOICES, None)])])
    def test_a_file_that_was_too_large_is_taken_once_the_limit_allows_it(self, place, limit, taken):
        self._put_sparse(place, INVOICES, 2 * 10**6)
        receipt = Seen(2 * 10**6, "", WRITTEN.replace(tzinfo=None), RECEIVED.replace(tzinfo=None))
        _, files = place.look({("invoices", INVOICES): receipt}, SALDO_FILE_LIMIT=limit)
        assert _names(files) == taken

    @pytest.mark.parametrize("text", ["", "1", "1TB", "-1GB", "1 GB", "0x1GB", "1gb", "1GB\n"])
    def test_a_limit_that_is_no_size_is_a_wrong_contract(self, place, text):
        with pytest.raises(ContractError) as raised:
            place.look(SALDO_FILE_LIMIT=text)
        assert str(raised.value) == (
            f"SALDO_FILE_LIMIT: {text!r} is not allowed; allowed: a size such as 500MB or 4GB"
        )
