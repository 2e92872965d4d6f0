"""What a look, a download and an upload do in moments that are rare on any server (R13, R24)."""

from __future__ import annotations

import io
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestration.servers import remote_reading
from orchestration.servers.connections import connect
from orchestration.servers.deadlines import Deadline
from orchestration.servers.errors import SftpError
from orchestration.servers.remote_files import RemoteFile, TooLargeError
from orchestration.servers.remote_reading import Attributes
from orchestration.servers.sftp import Client

NAME = "2026-03-02_toku_payments.csv"
CONTENT = b"rut,producto\n"
LONG = bytes(1 << 20)
LONG_AGO, BEFORE, LATER = 1_000_000_000, 1_700_000_000, 4_000_000_000


@dataclass
class Place:
    """An organization's folders, from both ends of a connection."""

    client: Client
    inbox_dir: str
    outbox_dir: str
    inbox: Path
    outbox: Path

    def put(self, accessed_at: int = LONG_AGO) -> RemoteFile:
        """Leave a file in the inbox; returns it as it is listed."""
        path = self.inbox / NAME
        path.write_bytes(CONTENT)
        os.utime(path, (accessed_at, BEFORE))
        return RemoteFile(NAME, len(CONTENT), datetime.fromtimestamp(BEFORE, UTC))

    def upload(self, **options: Any) -> str:
        return self.client.upload(self.outbox_dir, NAME, CONTENT, **options)

    def names(self) -> list[str]:
        """All names in the outbox, hidden ones too."""
        return sorted(path.name for path in self.outbox.iterdir())

    def take(self) -> None:
        """Take whatever is in the outbox, hidden or not."""
        for path in self.outbox.iterdir():
            path.unlink()


@pytest.fixture
def place(sftp_server, make_organization) -> Iterator[Place]:
    lumina = make_organization()
    root = sftp_server.root
    with connect(lumina, sftp_server.environment(["lumina"])) as client:
        folders = (lumina.inbox_dir, lumina.outbox_dir)
        yield Place(client, *folders, *(root / folder for folder in folders))


def _failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


class TestLooking:
    """Listing a folder."""

    def test_what_is_no_file_may_have_any_name(self, place: Place) -> None:
        os.mkfifo(os.fsencode(place.inbox) + b"/\xff.csv")
        place.put()
        listing = place.client.look(place.inbox_dir)
        assert [file.name for file in listing.files] == [NAME]
        assert listing.other_names == ("\\xff.csv",)

    def test_the_folder_itself_is_no_file_where_a_server_lists_it_without_types(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        names = (b".", b"..", b"a.csv")
        untyped = Attributes(None, False, 1, None, None)
        listed = [(name, untyped) for name in names]
        monkeypatch.setattr(remote_reading, "read_folder", lambda *_: iter(listed))
        assert [file.name for file in place.client.look("inbox").files] == ["a.csv"]

    def test_an_error_says_what_was_being_done(self, place: Place) -> None:
        gone = RemoteFile(NAME, 1, None)
        for act, said in (
            (lambda: place.client.look("nowhere"), "listing nowhere: "),
            (lambda: place.client.download(place.inbox_dir, gone, None), "downloading a file: "),
            (lambda: place.client._receive("none", None, None, None), "downloading a file: "),
        ):
            with pytest.raises(SftpError, match=f"^{said}"):
                act()


class TestDownloading:
    """Receiving a file."""

    @pytest.mark.parametrize(("accessed_at", "is_told"), [(LONG_AGO, True), (LATER, False)])
    def test_a_server_that_notes_the_reading_tells_its_time(
        self, place: Place, accessed_at: int, is_told: bool
    ) -> None:
        download = place.client.download(place.inbox_dir, place.put(accessed_at), None)
        noted = (place.inbox / NAME).stat()[stat.ST_ATIME]
        assert download.clock == (datetime.fromtimestamp(noted, UTC) if is_told else None)

    def test_a_file_of_the_size_that_was_listed_is_read_once(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        receive, readings = place.client._receive, []

        def count(path: str, *arguments: Any) -> tuple[str, int]:
            readings.append(path)
            return receive(path, *arguments)

        monkeypatch.setattr(place.client, "_receive", count)
        place.client.download(place.inbox_dir, place.put(), None)
        assert readings == [f"{place.inbox_dir}/{NAME}"]

    def test_of_a_file_that_is_too_large_no_more_is_kept_than_tells_it(self, place: Place) -> None:
        (place.inbox / NAME).write_bytes(LONG)
        target = io.BytesIO()
        with pytest.raises(TooLargeError):
            place.client.download(place.inbox_dir, RemoteFile(NAME, None, None), target, 10)
        assert len(target.getvalue()) <= 10

    def test_a_file_that_was_read_to_its_end_before_the_server_failed_is_known_to_be(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ask, asked = place.client._ask, []

        def fail_later(path: str) -> Attributes:
            asked.append(path)
            if len(asked) > 1:
                raise SftpError("server_failed", "no answer")
            return ask(path)

        monkeypatch.setattr(place.client, "_ask", fail_later)
        with pytest.raises(SftpError) as raised:
            place.client.download(place.inbox_dir, place.put(), None)
        assert raised.value.has_read_all is True


class TestReadingAgain:
    """With fewer outstanding reads, after a break or a silence that so many may have caused."""

    def _break_with(
        self, client: Client, monkeypatch: pytest.MonkeyPatch, *codes: str
    ) -> list[int]:
        """Fail the first readings; returns with how many attempts it is connected anew."""
        receive, open_sftp = client._receive_once, client._open_sftp
        left, attempts = list(codes), list[int]()

        def fail(*arguments: Any) -> tuple[str, int]:
            if left:
                raise SftpError(left.pop(0), "what is told")
            return receive(*arguments)

        def reconnect(count: int, deadline: Deadline) -> Any:
            attempts.append(count)
            return open_sftp(count, deadline)

        monkeypatch.setattr(client, "_receive_once", fail)
        monkeypatch.setattr(client, "_open_sftp", reconnect)
        return attempts

    @pytest.mark.parametrize("code", ["timed_out", "connection_lost"])
    def test_a_break_is_followed_by_a_reading_with_fewer(
        self, place: Place, monkeypatch: pytest.MonkeyPatch, code: str
    ) -> None:
        attempts = self._break_with(place.client, monkeypatch, code)
        target = io.BytesIO()
        place.client.download(place.inbox_dir, place.put(), target)
        assert target.getvalue() == CONTENT
        assert (attempts, place.client._windows) == ([1], [8, 1])

    def test_a_file_that_goes_with_the_connection_is_not_called_missing(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self._break_with(place.client, monkeypatch, "connection_lost", "gone")
        with pytest.raises(SftpError) as raised:
            place.client.download(place.inbox_dir, place.put(), io.BytesIO())
        assert raised.value.code == "connection_lost"


class TestUploading:
    """Sending a file that appears whole or not at all."""

    def test_of_a_longer_file_under_the_name_no_more_is_read_than_tells_it_apart(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        received: list[int] = []
        monkeypatch.setattr(place.client.deadline, "allow", received.append)
        (place.outbox / NAME).write_bytes(LONG)
        assert place.client.find_upload(place.outbox_dir, NAME, CONTENT) is None
        with pytest.raises(SftpError):
            place.upload()
        assert len(received) == 2
        assert sum(received) < len(LONG)

    def test_a_rename_that_is_refused_takes_no_name(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(place.client._sftp, "rename", _failing(PermissionError()))
        with pytest.raises(SftpError) as raised:
            place.upload()
        assert (raised.value.code, raised.value.has_left_nothing) == ("no_permission", True)
        assert place.names() == []

    @pytest.mark.parametrize("there", [None, b"other bytes"])
    def test_a_name_is_replaced_where_the_server_cannot_do_it_in_one_step(
        self, place: Place, monkeypatch: pytest.MonkeyPatch, there: bytes | None
    ) -> None:
        monkeypatch.setattr(place.client._sftp, "posix_rename", _failing(OSError("unsupported")))
        if there is not None:
            (place.outbox / NAME).write_bytes(there)
        assert place.upload(may_replace=True) == "delivered"
        assert place.names() == [NAME]
        assert (place.outbox / NAME).read_bytes() == CONTENT

    def test_what_somebody_takes_before_it_is_read_back_is_taken_unread(self, place: Place) -> None:
        assert place.upload(begin=place.take) == "taken_unread"
        assert place.names() == []

    def test_with_its_folder_nobody_takes_a_file(self, place: Place) -> None:
        with pytest.raises(SftpError) as raised:
            place.upload(begin=lambda: shutil.rmtree(place.outbox))
        assert (raised.value.code, raised.value.has_left_nothing) == ("no_folder", False)

    def test_what_a_lost_connection_left_is_not_known(self, place: Place) -> None:
        close = place.client._sftp.get_channel().get_transport().close
        with pytest.raises(SftpError) as raised:
            place.upload(begin=close)
        assert (raised.value.code, raised.value.has_left_nothing) == ("connection_lost", False)

    def test_a_server_that_is_late_is_asked_for_nothing_more(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        late = SftpError("timed_out", "no answer")
        monkeypatch.setattr(place.client, "_publish", _failing(late))
        with pytest.raises(SftpError) as raised:
            place.upload()
        assert raised.value.has_left_nothing is False
        assert len(place.names()) == 1

    def test_what_cannot_be_taken_back_may_be_with_the_receiver(
        self, place: Place, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failed = SftpError("server_failed", "no answer")
        monkeypatch.setattr(place.client, "_publish", _failing(failed))
        with pytest.raises(SftpError) as raised:
            place.upload(begin=place.take)
        assert raised.value.has_left_nothing is False
