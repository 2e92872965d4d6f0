"""SFTP against a real server: whole files only, names never overwritten, every failure a code."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

import paramiko
import pytest
import stamina
from paramiko.packet import Packetizer
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from orchestration.contracts.organizations import Organization
from orchestration.devtools.loopback_sftp import HOST, serve
from orchestration.servers.connections import connect
from orchestration.servers.errors import WHAT_TO_DO, SftpError
from orchestration.servers.remote_files import (
    Download,
    NameTakenError,
    RemoteFile,
    StillGrowingError,
)
from orchestration.servers.sftp import Client
from tests.orchestration.freezing import frozen, processes_of

MODIFIED_AT = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
NAME = "2026-03-02_toku_payments.csv"
BIG = bytes(range(256)) * 8192  # 2 MiB, several chunks


@dataclasses.dataclass
class Place:
    """An organization's folders, from both ends of a connection."""

    organization: Organization
    client: Client
    inbox: Path
    outbox: Path

    def put(self, name: str, content: bytes) -> RemoteFile:
        """Leave a file in the inbox; returns it as it is listed."""
        path = self.inbox / name
        path.write_bytes(content)
        os.utime(path, (MODIFIED_AT.timestamp(), MODIFIED_AT.timestamp()))
        return RemoteFile(name, len(content), MODIFIED_AT)

    def names(self) -> list[str]:
        """All names in the outbox, hidden ones too."""
        return sorted(path.name for path in self.outbox.iterdir())


@pytest.fixture
def place(sftp_server, make_organization) -> Iterator[Place]:
    organization = make_organization()
    with connect(organization, sftp_server.environment(["lumina"])) as client:
        yield Place(
            organization,
            client,
            sftp_server.root / organization.inbox_dir,
            sftp_server.root / organization.outbox_dir,
        )


@pytest.fixture
def retries() -> Iterator[list[RetryDetails]]:
    """The attempts that are tried again, as they are announced; nobody waits between them."""
    told: list[RetryDetails] = []
    set_on_retry_hooks([told.append])
    with stamina.set_testing(True, attempts=10, cap=True):
        yield told
    set_on_retry_hooks(())


@pytest.fixture
def refused(sftp_server, retries) -> Callable[..., str]:
    """Connect and expect to fail; returns the code once the message has proved discreet."""

    def attempt(
        organization: Organization, environment: dict[str, str], timeout_seconds: float = 5
    ) -> str:
        with (
            pytest.raises(SftpError) as raised,
            connect(organization, environment, timeout_seconds=timeout_seconds),
        ):
            pass
        secrets = [value for value in environment.values() if value]
        told = f"{raised.value} {raised.value.__cause__}"
        for word in (*secrets, organization.sftp_host, str(organization.sftp_port)):
            assert word not in told
        assert str(sftp_server.private_key_file.parent) not in told
        assert raised.value.__suppress_context__ or raised.value.__context__ is None
        return raised.value.code

    return attempt


def _answer_until(listener: socket.socket, host_key: paramiko.PKey, silent_at: str) -> None:
    """An SSH server that lets anyone in, and at one point answers no more."""

    class Silent(paramiko.ServerInterface):
        def get_allowed_auths(self, username):
            return "publickey"

        def check_auth_publickey(self, username, key):
            self._fall_silent("the login")
            return paramiko.AUTH_SUCCESSFUL

        def check_channel_request(self, kind, chanid):
            return paramiko.OPEN_SUCCEEDED

        def check_channel_subsystem_request(self, channel, name):
            self._fall_silent("the request for SFTP")
            return True

        def _fall_silent(self, where):
            if where == silent_at:
                time.sleep(5)

    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            transport = paramiko.Transport(connection)
            transport.add_server_key(host_key)
            transport.start_server(server=Silent(), event=threading.Event())


class TestListing:
    """What is in a folder."""

    def test_regular_files_are_listed_by_name_with_size_and_time(self, place):
        expected = [place.put("b.csv", b"22"), place.put(" a;'--.csv", b""), place.put("ñ", b"1")]
        assert place.client.list_files(place.organization.inbox_dir) == sorted(
            expected, key=lambda file: file.name
        )

    def test_links_and_folders_are_passed_over(self, place):
        expected = place.put("whole.csv", b"x")
        (place.inbox / "link.csv").symlink_to(place.inbox / "whole.csv")
        (place.inbox / "dangling.csv").symlink_to(place.inbox / "nowhere")
        (place.inbox / "folder.csv").mkdir()
        assert place.client.list_files(place.organization.inbox_dir) == [expected]

    def test_a_name_that_is_not_utf8_hides_no_other_and_cannot_be_asked_for(self, place):
        expected = place.put("whole.csv", b"x")
        Path(os.fsdecode(os.fsencode(place.inbox) + b"/a\xf1o.csv")).write_bytes(b"x")
        place.put("a\\xf1o.csv", b"a decoy: what the odd name is shown as")
        odd, decoy, other = place.client.list_files(place.organization.inbox_dir)
        assert (odd.name, odd.is_named_in_utf8) == ("a\\xf1o.csv", False)
        assert (decoy.name, decoy.is_named_in_utf8) == ("a\\xf1o.csv", True)
        assert other == expected
        with pytest.raises(SftpError) as raised:
            place.client.download(place.organization.inbox_dir, odd, io.BytesIO())
        assert raised.value.code == "invalid_name"

    def test_an_empty_folder_lists_nothing(self, place):
        assert place.client.list_files(place.organization.inbox_dir) == []

    def test_a_thousand_files_are_all_listed(self, place):
        expected = [place.put(f"{number:04d}.csv", b"x") for number in range(1000)]
        assert place.client.list_files(place.organization.inbox_dir) == expected

    def test_a_missing_folder_has_its_code_and_the_connection_goes_on(self, place):
        with pytest.raises(SftpError) as raised:
            place.client.list_files("nowhere")
        assert raised.value.code == "no_folder"
        assert place.client.list_files(place.organization.inbox_dir) == []


class Meddler(io.BytesIO):
    """Takes the bytes of a download; something happens to the source when the first arrive."""

    def __init__(self, meddle: Callable[[], object]) -> None:
        super().__init__()
        self._meddle: Callable[[], object] | None = meddle

    def write(self, content: bytes) -> int:  # type: ignore[override]
        if self._meddle:
            self._meddle()
            self._meddle = None
        return super().write(content)


def _append(path: Path) -> None:
    with path.open("ab") as target:
        target.write(b"more")


class TestDownload:
    """Whole files only (R13)."""

    @pytest.mark.parametrize("content", [b"", b"a,b\r\n1,2\n\x00\xff", BIG])
    def test_the_exact_bytes_arrive_with_their_sha256(self, place, content):
        file = place.put("debts.csv", content)
        target = io.BytesIO()
        download = place.client.download(place.organization.inbox_dir, file, target)
        assert target.getvalue() == content
        assert download == Download(hashlib.sha256(content).hexdigest(), len(content))

    @pytest.mark.parametrize(
        "change",
        [
            _append,
            lambda path: os.truncate(path, 10),
            lambda path: os.truncate(path, 0),
            lambda path: os.utime(path, (0, 0)),
            lambda path: (path.unlink(), path.symlink_to("/etc/hostname")),
        ],
        ids=["grown", "truncated", "emptied", "touched", "replaced by a link"],
    )
    @pytest.mark.parametrize("moment", ["after the listing", "while it is read"])
    def test_a_file_that_changes_is_left_for_the_next_look(self, place, change, moment):
        file = place.put("debts.csv", BIG)
        path = place.inbox / file.name
        if moment == "after the listing":
            change(path)
            target = io.BytesIO()
        else:
            target = Meddler(lambda: change(path))
        with pytest.raises(StillGrowingError) as raised:
            place.client.download(place.organization.inbox_dir, file, target)
        assert raised.value.code == "still_growing"

    def test_the_keys_may_change_in_the_middle_of_a_file(
        self, sftp_server, make_organization, monkeypatch
    ):
        monkeypatch.setattr(Packetizer, "REKEY_BYTES", 1 << 20)
        content = BIG * 8
        changes, target = [], io.BytesIO()
        send = paramiko.Transport._send_kex_init
        monkeypatch.setattr(
            paramiko.Transport, "_send_kex_init", lambda self: (changes.append(self), send(self))
        )
        organization = make_organization()
        (sftp_server.root / organization.inbox_dir / "debts.csv").write_bytes(content)
        with connect(organization, sftp_server.environment(["lumina"])) as client:
            (file,) = client.list_files(organization.inbox_dir)
            client.download(organization.inbox_dir, file, target)
        assert target.getvalue() == content
        assert len(changes) > 2
        assert "gcm" in changes[0].remote_cipher

    def test_a_file_that_is_gone_has_its_code(self, place):
        file = place.put("debts.csv", b"x")
        (place.inbox / file.name).unlink()
        with pytest.raises(SftpError) as raised:
            place.client.download(place.organization.inbox_dir, file, io.BytesIO())
        assert raised.value.code == "gone"


class TestUpload:
    """A name holds its bytes whole, for ever (R24)."""

    def _upload(self, place: Place, content: bytes, name: str = NAME) -> str:
        return place.client.upload(place.organization.outbox_dir, name, content)

    @pytest.mark.parametrize("content", [b"", b"customer_id\n", BIG])
    def test_a_file_is_delivered_once_and_found_there_afterwards(self, place, content):
        assert self._upload(place, content) == "delivered"
        assert self._upload(place, content) == "already_there"
        assert (place.outbox / NAME).read_bytes() == content
        assert place.names() == [NAME]

    @pytest.mark.parametrize("there", [b"", b"other\n", b"customer_iD\n"])
    def test_a_name_with_other_bytes_is_never_overwritten(self, place, there):
        (place.outbox / NAME).write_bytes(there)
        with pytest.raises(NameTakenError) as raised:
            self._upload(place, b"customer_id\n")
        assert raised.value.code == "name_taken"
        assert (place.outbox / NAME).read_bytes() == there
        assert place.names() == [NAME]

    @pytest.mark.parametrize("there", [None, b"", b"former\n", b"newer\n"])
    def test_a_name_that_may_be_replaced_holds_the_newest_bytes(self, place, there):
        if there is not None:
            (place.outbox / NAME).write_bytes(there)
        outcome = place.client.upload(
            place.organization.outbox_dir, NAME, b"newer\n", may_replace=True
        )
        assert outcome == ("already_there" if there == b"newer\n" else "delivered")
        assert (place.outbox / NAME).read_bytes() == b"newer\n"
        assert place.names() == [NAME]

    @pytest.mark.parametrize("kept", [b"", BIG[:-1], BIG[:-1] + b"!"], ids=len)
    def test_what_the_server_did_not_keep_as_it_was_sent_gets_no_name(self, place, kept):
        def change_what_is_kept() -> None:
            (part,) = place.outbox.iterdir()
            part.unlink()  # what is sent goes on into the file that has no name any more
            part.write_bytes(kept)

        with pytest.raises(SftpError) as raised:
            place.client.upload(place.organization.outbox_dir, NAME, BIG, begin=change_what_is_kept)
        said = (
            "upload_damaged",
            f"the server did not keep what was sent: {WHAT_TO_DO['upload_damaged']}",
        )
        assert (raised.value.code, raised.value.args[-1]) == said
        assert place.names() == []

    @pytest.mark.parametrize(
        ("there", "outcome"), [(b"sent\n", "already_there"), (b"else\n", "name_taken")]
    )
    def test_a_name_that_another_gave_meanwhile_keeps_its_bytes(self, place, there, outcome):
        def give_the_name() -> None:
            (place.outbox / NAME).write_bytes(there)

        def upload() -> str:
            folder = place.organization.outbox_dir
            try:
                return place.client.upload(folder, NAME, b"sent\n", begin=give_the_name)
            except SftpError as error:
                return error.code

        assert upload() == outcome
        assert (place.outbox / NAME).read_bytes() == there

    def test_a_link_under_the_name_is_not_written_through(self, place):
        aim = place.inbox / "aim"
        (place.outbox / NAME).symlink_to(aim)
        with pytest.raises(SftpError):
            self._upload(place, b"customer_id\n")
        assert not aim.exists()

    def test_what_a_crash_left_under_the_temporary_name_is_overwritten(self, place):
        content = b"customer_id\n"
        part = f".{NAME}.{hashlib.sha256(content).hexdigest()[:12]}.part"
        (place.outbox / part).write_bytes(b"half of something longer than the file" * 9)
        assert self._upload(place, content) == "delivered"
        assert (place.outbox / NAME).read_bytes() == content
        assert place.names() == [NAME]

    @pytest.mark.parametrize("name", ["../escaped.csv", "a/b.csv", "/tmp/x.csv", "..", ".", ""])
    def test_a_name_that_leads_elsewhere_is_refused(self, place, name):
        before = sorted(place.outbox.parent.rglob("*"))
        with pytest.raises(SftpError) as raised:
            self._upload(place, b"x", name)
        assert raised.value.code == "invalid_name"
        assert sorted(place.outbox.parent.rglob("*")) == before

    @pytest.mark.parametrize(
        "name", ["two words.csv", "new\nline.csv", "..csv", "'; drop", "ñandú.csv"]
    )
    def test_an_odd_name_stays_in_its_folder(self, place, name):
        assert self._upload(place, b"x", name) == "delivered"
        assert place.names() == [name]

    def test_a_missing_folder_has_its_code(self, place):
        place.outbox.rmdir()
        with pytest.raises(SftpError) as raised:
            self._upload(place, b"x")
        assert raised.value.code == "no_folder"


class TestConnecting:
    """Each way to fail has its code; only what may heal is tried again (R20, R30)."""

    def test_a_host_key_that_nobody_vouched_for_is_refused_at_once(
        self, sftp_server, make_organization, refused, retries, tmp_path
    ):
        known_hosts = tmp_path / "known_hosts"
        known_hosts.write_text(sftp_server.known_hosts_file.read_text().replace(HOST, "other"))
        environment = sftp_server.environment(["lumina"])
        environment["SFTP_KNOWN_HOSTS_FILE"] = str(known_hosts)
        assert refused(make_organization(), environment) == "host_key_unknown"
        assert retries == []

    def test_a_host_key_that_changed_is_refused_at_once(
        self, sftp_server, make_organization, refused, retries, tmp_path
    ):
        known_hosts = tmp_path / "known_hosts"
        former = paramiko.ECDSAKey.generate()
        known_hosts.write_text(
            f"[{HOST}]:{sftp_server.port} {former.get_name()} {former.get_base64()}\n"
        )
        environment = sftp_server.environment(["lumina"])
        environment["SFTP_KNOWN_HOSTS_FILE"] = str(known_hosts)
        assert refused(make_organization(), environment) == "host_key_changed"
        assert retries == []

    def test_trust_that_is_withdrawn_counts_from_the_next_connection_on(
        self, sftp_server, make_organization, refused, tmp_path
    ):
        known_hosts = tmp_path / "known_hosts"
        trusted = sftp_server.known_hosts_file.read_text()
        known_hosts.write_text(trusted)
        environment = sftp_server.environment(["lumina"])
        environment["SFTP_KNOWN_HOSTS_FILE"] = str(known_hosts)
        with connect(make_organization(), environment) as client:
            assert client.is_connected
        former = known_hosts.stat()
        known_hosts.write_text(trusted.replace(HOST, "other"))
        os.utime(known_hosts, ns=(former.st_atime_ns, former.st_mtime_ns))
        assert refused(make_organization(), environment) == "host_key_unknown"

    def test_no_packet_waits_for_the_answer_to_the_former_one(self, place):
        transport = place.client._sftp.get_channel().get_transport()
        assert transport.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    def test_a_key_that_the_server_does_not_know_is_refused_at_once(
        self, sftp_server, make_organization, refused, retries, tmp_path
    ):
        other = tmp_path / "other_key"
        paramiko.ECDSAKey.generate().write_private_key_file(str(other))
        environment = sftp_server.environment(["lumina"])
        environment["SFTP_PRIVATE_KEY_FILE_LUMINA"] = str(other)
        assert refused(make_organization(), environment) == "login_refused"
        assert retries == []

    def test_a_wrong_password_is_refused_at_once(
        self, sftp_server, make_organization, refused, retries
    ):
        environment = sftp_server.environment([])
        environment["SFTP_PASSWORD_LUMINA"] = "s3cret-of-lumina"
        assert refused(make_organization(), environment) == "login_refused"
        assert retries == []

    def test_missing_credentials_have_a_code_each(
        self, sftp_server, make_organization, refused, retries, tmp_path
    ):
        organization = make_organization()
        whole = sftp_server.environment(["lumina"])
        key, hosts = "SFTP_PRIVATE_KEY_FILE_LUMINA", "SFTP_KNOWN_HOSTS_FILE"
        nowhere = str(tmp_path / "nowhere")
        codes = {
            "another's key": refused(organization, sftp_server.environment(["other"])),
            "no key file": refused(organization, {**whole, key: nowhere}),
            "empty key name": refused(organization, {**whole, key: ""}),
            "no hosts name": refused(organization, {key: whole[key]}),
            "no hosts file": refused(organization, {**whole, hosts: nowhere}),
        }
        assert codes == {
            "another's key": "no_credentials",
            "no key file": "no_credentials",
            "empty key name": "no_credentials",
            "no hosts name": "no_known_hosts",
            "no hosts file": "no_known_hosts",
        }
        assert retries == []

    @pytest.mark.parametrize("content", [b"", b"no key at all\n", b"\xff\x00\xfe" * 50])
    def test_a_key_file_that_holds_no_key_is_no_fault_of_the_server(
        self, sftp_server, make_organization, refused, retries, tmp_path, content
    ):
        broken = tmp_path / "broken_key"
        broken.write_bytes(content)
        environment = sftp_server.environment(["lumina"])
        environment["SFTP_PRIVATE_KEY_FILE_LUMINA"] = str(broken)
        assert refused(make_organization(), environment) == "no_credentials"
        assert retries == []

    def test_an_encrypted_key_is_told(
        self, sftp_server, make_organization, refused, retries, tmp_path
    ):
        encrypted = tmp_path / "encrypted_key"
        paramiko.ECDSAKey.generate().write_private_key_file(str(encrypted), password="s3cret")
        environment = sftp_server.environment(["lumina"])
        environment["SFTP_PRIVATE_KEY_FILE_LUMINA"] = str(encrypted)
        assert refused(make_organization(), environment) == "no_credentials"
        assert retries == []

    def test_a_server_that_is_down_is_tried_three_times(
        self, sftp_server, make_organization, refused, retries
    ):
        with socket.socket() as taken:
            taken.bind((HOST, 0))  # bound and not listening: nobody else gets the port
            organization = make_organization(sftp_port=taken.getsockname()[1])
            assert refused(organization, sftp_server.environment(["lumina"])) == "unreachable"
        assert [each.caused_by.code for each in retries] == ["unreachable"] * 2

    def test_a_server_that_comes_up_between_two_attempts_is_reached(
        self, make_organization, retries, tmp_path
    ):
        with socket.socket() as taken:
            taken.bind((HOST, 0))
            port = taken.getsockname()[1]
        root, state = tmp_path / "root", tmp_path / "state"
        with serve(root, state, port) as server:  # makes the keys
            environment = server.environment(["lumina"])
            username = server.username
        organization = make_organization(sftp_port=port, sftp_username=username, inbox_dir=".")
        with ExitStack() as servers:

            def come_up(details: RetryDetails) -> None:
                retries.append(details)
                servers.enter_context(serve(root, state, port))

            set_on_retry_hooks([come_up])
            with connect(organization, environment) as client:
                assert client.list_files(".") == []
        assert [each.caused_by.code for each in retries] == ["unreachable"]

    @pytest.mark.parametrize("silent_at", ["the login", "the request for SFTP"])
    def test_a_server_that_falls_silent_while_connecting_is_given_up(
        self, sftp_server, make_organization, refused, retries, tmp_path, silent_at
    ):
        host_key = paramiko.ECDSAKey.generate()
        with socket.create_server((HOST, 0)) as listener:
            port = listener.getsockname()[1]
            known_hosts = tmp_path / "known_hosts"
            known_hosts.write_text(
                f"[{HOST}]:{port} {host_key.get_name()} {host_key.get_base64()}\n"
            )
            environment = sftp_server.environment(["lumina"])
            environment["SFTP_KNOWN_HOSTS_FILE"] = str(known_hosts)
            answerer = threading.Thread(
                target=_answer_until, args=(listener, host_key, silent_at), daemon=True
            )
            answerer.start()
            started = time.monotonic()
            assert refused(make_organization(sftp_port=port), environment, 0.5) == "timed_out"
            assert time.monotonic() - started < 3


class TestFrozenServer:
    """A server whose processes stand still."""

    @pytest.fixture
    def place(self, sftp_server, make_organization) -> Iterator[Place]:
        organization = make_organization()
        environment = sftp_server.environment(["lumina"])
        with connect(organization, environment, timeout_seconds=0.5) as client:
            yield Place(
                organization,
                client,
                sftp_server.root / organization.inbox_dir,
                sftp_server.root / organization.outbox_dir,
            )

    @pytest.mark.parametrize("act", ["list", "download", "download, later", "upload"])
    def test_whatever_is_asked_of_it_ends_within_the_timeout(
        self, sftp_server, place, tmp_path, act
    ):
        file = place.put("debts.csv", BIG * 8)
        inbox = place.organization.inbox_dir
        with ExitStack() as stack:

            def freeze() -> None:
                stack.enter_context(frozen(sftp_server))

            outbox = place.organization.outbox_dir
            acts = {
                "list": lambda: place.client.list_files(inbox),
                "download": lambda: place.client.download(inbox, file, io.BytesIO()),
                "download, later": lambda: place.client.download(inbox, file, Meddler(freeze)),
                "upload": lambda: place.client.upload(outbox, NAME, BIG),
            }
            if act != "download, later":
                freeze()
            started = time.monotonic()
            with pytest.raises(SftpError) as raised:
                acts[act]()
            seconds = time.monotonic() - started
        assert raised.value.code == "timed_out"
        assert seconds < 1.5

    def test_connecting_to_it_times_out_at_each_attempt(
        self, sftp_server, make_organization, refused, retries
    ):
        organization = make_organization()
        environment = sftp_server.environment(["lumina"])
        with frozen(sftp_server):
            assert refused(organization, environment, 0.3) == "timed_out"
        assert [each.caused_by.code for each in retries] == ["timed_out"] * 2


def test_a_server_that_dies_loses_the_connection(make_organization, tmp_path):
    with serve(tmp_path / "root", tmp_path / "state") as server:
        organization = make_organization(sftp_port=server.port, inbox_dir=".")
        environment = server.environment(["lumina"])
        with connect(organization, environment, timeout_seconds=5) as client:
            assert client.list_files(".") == []
            for process in processes_of(server):
                os.kill(process, signal.SIGKILL)
            with pytest.raises(SftpError) as raised:
                client.list_files(".")
    assert raised.value.code == "connection_lost"
