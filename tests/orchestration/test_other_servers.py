"""Servers that are not OpenSSH: what they leave out, how they log in, how much they take and say.

Each answers as servers in use do; what is asserted is what becomes of the file that they hold.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import paramiko
import pytest
import stamina
from bent_sftp import PASSWORD, USERNAME, Bends, BentServer, serve_bent

from orchestration.contracts.organizations import Organization, read_organizations
from orchestration.contracts.tables import ContractError
from orchestration.installation.home import PROJECT
from orchestration.servers.connections import connect
from orchestration.servers.errors import SftpError
from orchestration.servers.remote_files import (
    NameTakenError,
    RemoteFile,
    StillGrowingError,
    TooLargeError,
    partial_name,
)
from orchestration.servers.sftp import Client

LUMINA = read_organizations(PROJECT / "seeds")[0]
NAME = "2026-03-03_toku_invoices.csv"
BIG = bytes(range(256)) * 40_000  # 10 MB, hundreds of reads
MODIFIED_AT = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)


@dataclasses.dataclass
class Beside:
    """A bent server, and the contract of the organization whose it is."""

    server: BentServer
    organization: Organization
    environment: dict[str, str]

    @property
    def inbox(self) -> Path:
        return self.server.root / "inbox"

    def put(self, name: str, content: bytes) -> None:
        (self.inbox / name).write_bytes(content)
        os.utime(self.inbox / name, (MODIFIED_AT.timestamp(), MODIFIED_AT.timestamp()))

    @contextmanager
    def client(self, **environment: str) -> Iterator[Client]:
        with connect(self.organization, {**self.environment, **environment}) as client:
            yield client


@pytest.fixture
def beside(tmp_path) -> Iterator[Callable[..., Beside]]:
    """Begin to serve an inbox in a bent way."""
    with contextmanager(_start)(tmp_path) as start:
        yield start


def _start(folder: Path):
    contexts = []

    def start(transport: type[paramiko.Transport] = paramiko.Transport, **bends) -> Beside:
        (folder / "root" / "inbox").mkdir(parents=True)
        (folder / "root" / "outbox").mkdir()
        context = serve_bent(folder / "root", folder / "state", Bends(**bends), transport)
        server = context.__enter__()
        contexts.append(context)
        organization = dataclasses.replace(
            LUMINA,
            sftp_host="127.0.0.1",
            sftp_port=server.port,
            sftp_username=USERNAME,
            inbox_dir="inbox",
            outbox_dir="outbox",
        )
        return Beside(server, organization, server.environment("lumina"))

    yield start
    for context in contexts:
        context.__exit__(None, None, None)


class TestReads:
    """How many bytes are asked for at once (R13)."""

    @pytest.mark.parametrize(
        ("announced", "asked"),
        [(None, 32768), (0, 32768), (5, 32768), (100_000, 100_000), (1 << 40, 261_120)],
    )
    def test_a_server_is_asked_for_what_it_says_that_it_gives(self, beside, announced, asked):
        place = beside(announced_read=announced)
        place.put(NAME, BIG)
        target = io.BytesIO()
        with place.client() as client:
            file = RemoteFile(NAME, len(BIG), MODIFIED_AT)
            client.download("inbox", file, target)
        assert hashlib.sha256(target.getvalue()).digest() == hashlib.sha256(BIG).digest()
        assert place.server.longest_asked == asked
        assert place.server.most_waiting <= 64

    def test_one_that_gives_less_than_it_says_is_read_to_the_end(self, beside):
        place = beside(announced_read=261_120, longest_read=65_536)
        place.put(NAME, BIG)
        target = io.BytesIO()
        with place.client() as client:
            client.download("inbox", RemoteFile(NAME, len(BIG), MODIFIED_AT), target)
        assert target.getvalue() == BIG

    @pytest.mark.parametrize(
        "bends", [{"untrue_length": 5}, {"untrue_length": -5}, {"extra_bytes": 5}]
    )
    def test_an_answer_with_other_bytes_than_it_says_or_was_asked_for_is_no_file(
        self, beside, bends
    ):
        place = beside(**bends)
        place.put(NAME, BIG)
        with place.client() as client, pytest.raises(SftpError) as raised:
            client.download("inbox", RemoteFile(NAME, len(BIG), MODIFIED_AT), None)
        assert raised.value.code == "server_failed"


class TestAttributes:
    """What a server leaves out of what it says of a file (R13)."""

    @pytest.mark.parametrize(
        ("bends", "size", "modified_at"),
        [
            ({"has_type": False}, 4, MODIFIED_AT),
            ({"has_permissions": False}, 4, MODIFIED_AT),
            ({"has_time": False}, 4, None),
            ({"has_size": False}, None, MODIFIED_AT),
            ({"has_size": False, "has_time": False, "has_permissions": False}, None, None),
            ({"extra_size": 3}, 7, MODIFIED_AT),
            ({"extra_size": -3}, 1, MODIFIED_AT),
            ({"extra_size": (1 << 63) - 5}, (1 << 63) - 1, MODIFIED_AT),
            ({"extra_size": (1 << 63) - 4}, None, MODIFIED_AT),
            ({"extra_size": (1 << 64) - 5}, None, MODIFIED_AT),
            ({"knows_lstat": False}, 4, MODIFIED_AT),
            ({"longest_read": 3}, 4, MODIFIED_AT),
            ({"fails_for_missing": True}, 4, MODIFIED_AT),
            ({"fails_for_missing": True, "has_size": False}, None, MODIFIED_AT),
            ({"fails_for_missing": True, "extra_size": 3, "has_time": False}, 7, None),
        ],
    )
    @pytest.mark.parametrize("is_read_once", [False, True])
    def test_a_file_is_listed_and_received_whole(
        self, beside, bends, size, modified_at, is_read_once
    ):
        place = beside(is_read_once=is_read_once, **bends)
        place.put(NAME, b"debt")
        target = io.BytesIO()
        with place.client() as client:
            (file,) = client.list_files("inbox")
            assert file == RemoteFile(NAME, size, modified_at)
            download = client.download("inbox", file, target)
        assert target.getvalue() == b"debt"
        assert (download.sha256, download.byte_count, download.is_taken_away) == (
            hashlib.sha256(b"debt").hexdigest(),
            4,
            is_read_once,
        )

    @pytest.mark.parametrize(
        "bends", [{"has_size": False}, {"extra_size": 5}, {"longest_read": 999}]
    )
    def test_a_large_file_is_received_whole_whatever_its_size_is_said_to_be(self, beside, bends):
        place = beside(**bends)
        place.put(NAME, BIG)
        target = io.BytesIO()
        with place.client() as client:
            (file,) = client.list_files("inbox")
            client.download("inbox", file, target)
        assert target.getvalue() == BIG

    def test_bytes_that_differ_when_they_are_received_again_are_left_for_the_next_look(
        self, beside
    ):
        place = beside(has_size=False, has_time=False)
        place.put(NAME, b"first")

        class Meddler(io.BytesIO):
            def write(self, content):
                place.put(NAME, b"other")
                return super().write(content)

        with place.client() as client, pytest.raises(StillGrowingError):
            client.download("inbox", RemoteFile(NAME, None, None), Meddler())

    def test_a_second_reading_that_breaks_off_leaves_the_file_for_the_next_look(
        self, beside, monkeypatch
    ):
        """A file that is gone by then was whole; one that cannot be read again may be half."""
        place = beside(has_size=False)
        place.put(NAME, b"debt")
        ask_again = Client._ask_unless_gone

        def break_off_from_now_on(client, path):
            place.server.bends.most_waiting_reads = 0
            return ask_again(client, path)

        monkeypatch.setattr(Client, "_ask_unless_gone", break_off_from_now_on)
        with place.client() as client, pytest.raises(SftpError) as raised:
            client.download("inbox", RemoteFile(NAME, None, None), io.BytesIO())
        assert raised.value.code == "connection_lost"

    def test_a_file_that_is_taken_away_before_its_second_reading_was_received_whole(
        self, beside, monkeypatch
    ):
        place = beside(has_size=False)
        place.put(NAME, b"debt")
        ask_again = Client._ask_unless_gone

        def ask_and_take_away(client, path):
            answer = ask_again(client, path)
            (place.server.root / "inbox" / NAME).unlink()
            return answer

        monkeypatch.setattr(Client, "_ask_unless_gone", ask_and_take_away)
        target = io.BytesIO()
        with place.client() as client:
            download = client.download("inbox", RemoteFile(NAME, None, None), target)
        assert (target.getvalue(), download.byte_count) == (b"debt", 4)
        assert download.is_taken_away

    def test_a_file_without_a_size_is_left_once_it_has_more_bytes_than_it_may_have(self, beside):
        place = beside(has_size=False)
        place.put(NAME, b"12345")
        with place.client() as client:
            (file,) = client.list_files("inbox")
            client.download("inbox", file, io.BytesIO(), most_bytes=5)
            with pytest.raises(TooLargeError) as raised:
                client.download("inbox", file, io.BytesIO(), most_bytes=4)
        assert raised.value.code == "file_too_large"

    def test_what_is_delivered_is_found_there_again_whatever_its_size_is_said_to_be(self, beside):
        place = beside(extra_size=7)
        with place.client() as client:
            assert client.upload("outbox", NAME, b"paid") == "delivered"
            assert client.upload("outbox", NAME, b"paid") == "already_there"


class TestMissingNames:
    """Servers that say of a missing name only that something failed: listings tell (R24)."""

    def test_a_name_that_is_free_gets_its_file_once(self, beside):
        place = beside(fails_for_missing=True)
        path = place.server.root / "outbox" / NAME
        with place.client() as client:
            assert client.find_upload("outbox", NAME, b"paid") is None
            assert client.upload("outbox", NAME, b"paid") == "delivered"
            assert client.upload("outbox", NAME, b"paid") == "already_there"
            assert client.find_upload("outbox", NAME, b"paid") == "whole"
            with pytest.raises(NameTakenError):
                client.upload("outbox", NAME, b"else")
        assert [(each.name, each.read_bytes()) for each in path.parent.iterdir()] == [
            (NAME, b"paid")
        ]

    @pytest.mark.parametrize("there", [None, b"former"])
    @pytest.mark.parametrize("knows_posix_rename", [True, False])
    def test_a_file_that_may_be_replaced_is(self, beside, monkeypatch, there, knows_posix_rename):
        place = beside(fails_for_missing=True)
        path = place.server.root / "outbox" / NAME
        if there is not None:
            path.write_bytes(there)
        with place.client() as client:
            if not knows_posix_rename:
                monkeypatch.setattr(client._sftp, "posix_rename", _unsupported)
            assert client.upload("outbox", NAME, b"paid", may_replace=True) == "delivered"
        assert [(each.name, each.read_bytes()) for each in path.parent.iterdir()] == [
            (NAME, b"paid")
        ]

    @pytest.mark.parametrize("there", [None, b"former"])
    def test_a_file_is_replaced_where_neither_attributes_nor_listings_tell_of_its_upload(
        self, beside, monkeypatch, there
    ):
        """R24: the temporary name begins with a dot, which some listings leave out."""
        place = beside(knows_stat=False, lists_hidden=False)
        path = place.server.root / "outbox" / NAME
        if there is not None:
            path.write_bytes(there)
        with place.client() as client:
            monkeypatch.setattr(client._sftp, "posix_rename", _unsupported)
            assert client.upload("outbox", NAME, b"paid", may_replace=True) == "delivered"
            with pytest.raises(NameTakenError):
                client.upload("outbox", NAME, b"else")
        assert [(each.name, each.read_bytes()) for each in path.parent.iterdir()] == [
            (NAME, b"paid")
        ]

    def test_a_file_that_is_taken_at_once_is_taken_unread(self, beside):
        place = beside(fails_for_missing=True, takes_at_close=True)
        with place.client() as client:
            assert client.upload("outbox", NAME, b"paid") == "taken_unread"
        assert list((place.server.root / "outbox").iterdir()) == []

    def test_an_upload_that_has_begun_is_found(self, beside):
        place = beside(fails_for_missing=True)
        part = partial_name(NAME, hashlib.sha256(b"paid").hexdigest())
        (place.server.root / "outbox" / part).write_bytes(b"pa")
        with place.client() as client:
            assert client.find_upload("outbox", NAME, b"paid") == "begun"


def _unsupported(*_: object) -> None:
    raise OSError("unsupported")


class TestOutstandingReads:
    """Servers that break off when too many reads wait for their answer."""

    @pytest.mark.parametrize("most", [128, 32, 1])
    def test_a_file_is_received_with_as_few_as_the_server_takes(self, beside, most, capfd):
        place = beside(most_waiting_reads=most)
        content = BIG[: 32768 * 80]
        place.put(NAME, content)
        target = io.BytesIO()
        with place.client() as client, stamina.set_testing(True, attempts=3, cap=True):
            (file,) = client.list_files("inbox")
            client.download("inbox", file, target)
        assert target.getvalue() == content
        assert capfd.readouterr() == ("", "")

    def test_of_a_file_that_is_shorter_when_it_is_begun_anew_nothing_former_is_kept(self, beside):
        place = beside(most_waiting_reads=32, has_size=False, has_time=False)
        place.put(NAME, BIG[: 32768 * 80])
        lengths = []

        class Shortening(io.BytesIO):
            def seek(self, *where):
                lengths.append(len(self.getvalue()))
                place.put(NAME, b"debt")
                return super().seek(*where)

        target = Shortening()
        with place.client() as client:
            download = client.download("inbox", RemoteFile(NAME, None, None), target)
        assert lengths[0] > len(b"debt")
        assert target.getvalue() == b"debt"
        assert download.sha256 == hashlib.sha256(b"debt").hexdigest()

    def test_what_was_uploaded_is_read_back_with_as_few(self, beside):
        place = beside(most_waiting_reads=4)
        content = BIG[: 32768 * 80]
        with place.client() as client:
            assert client.upload("outbox", NAME, content) == "delivered"
        assert (place.server.root / "outbox" / NAME).read_bytes() == content


class TestLogin:
    """Key, password, both; trusted keys; algorithms."""

    @pytest.mark.parametrize(
        "logins",
        [
            ("publickey", "password"),
            ("password", "publickey"),
            ("publickey", "keyboard-interactive"),
            ("keyboard-interactive",),
            ("password",),
            ("publickey",),
        ],
    )
    def test_with_both_secrets_a_server_gets_what_it_asks_for(self, beside, logins):
        place = beside(logins=logins)
        with place.client(SFTP_PASSWORD_LUMINA=PASSWORD) as client:
            assert client.list_files("inbox") == []
        assert place.server.logins == [logins]

    @pytest.mark.parametrize(
        ("logins", "secrets", "told"),
        [
            (
                ("publickey", "password"),
                {},
                "the server refused the login with SFTP_PRIVATE_KEY_FILE_LUMINA: it asks for a"
                " password, set SFTP_PASSWORD_LUMINA",
            ),
            (
                ("publickey",),
                {"SFTP_PASSWORD_LUMINA": PASSWORD, "SFTP_PRIVATE_KEY_FILE_LUMINA": ""},
                "the server refused the login with SFTP_PASSWORD_LUMINA: it asks for a key too,"
                " set SFTP_PRIVATE_KEY_FILE_LUMINA",
            ),
            (
                ("publickey", "password"),
                {"SFTP_PASSWORD_LUMINA": "another"},
                "the server refused the login with SFTP_PRIVATE_KEY_FILE_LUMINA and"
                " SFTP_PASSWORD_LUMINA: check the user name and the secret with the organization",
            ),
        ],
    )
    def test_a_refusal_says_which_secret_is_missing(self, beside, logins, secrets, told):
        place = beside(logins=logins)
        with pytest.raises(SftpError) as raised, place.client(**secrets):
            pass
        assert (raised.value.code, str(raised.value)) == ("login_refused", told)

    @pytest.mark.parametrize("is_first", [False, True])
    def test_any_of_two_trusted_keys_of_one_type_is_good(self, beside, is_first, tmp_path):
        place = beside()
        listed = place.server.known_hosts_file.read_text()
        other = paramiko.ECDSAKey.generate()
        host = listed.split()[0]
        former = f"{host} {other.get_name()} {other.get_base64()}\n"
        known_hosts = tmp_path / "two_keys"
        known_hosts.write_text(listed + former if is_first else former + listed)
        with place.client(SFTP_KNOWN_HOSTS_FILE=str(known_hosts)) as client:
            assert client.list_files("inbox") == []

    def test_a_server_without_an_algorithm_in_common_is_told_what_each_offers_and_left(
        self, beside, capfd
    ):
        class Old(paramiko.Transport):
            _preferred_kex = ("diffie-hellman-group14-sha1",)

        place = beside(transport=Old)
        with pytest.raises(SftpError) as raised, place.client():
            pass
        assert raised.value.code == "no_common_algorithm"
        assert str(raised.value).startswith(
            "no key exchange algorithm in common: the server offers diffie-hellman-group14-sha1;"
            " Saldo takes "
        )
        assert str(raised.value).endswith(": ask for one of these on the server")
        assert capfd.readouterr() == ("", "")


class TestLimits:
    """Servers that take for ever, or say too much (R20)."""

    @pytest.mark.parametrize(
        ("bends", "code"),
        [
            ({"announced_names": 4_000_000_000}, "server_failed"),
            ({"announced_names": 20}, "server_failed"),
            ({"is_endless": True}, "listing_too_long"),
            ({"seconds_a_name": 0.2}, "timed_out"),
        ],
    )
    def test_a_listing_that_has_no_end_is_left(self, beside, bends, code):
        place = beside(**bends)
        with (
            pytest.raises(SftpError) as raised,
            place.client(SALDO_LOOK_SECONDS="2", SALDO_LISTING_LIMIT="3000") as client,
        ):
            client.list_files("inbox")
        assert raised.value.code == code

    def test_a_file_that_comes_byte_by_byte_is_left(self, beside):
        place = beside(seconds_a_byte=0.2)
        place.put(NAME, b"x" * 1000)
        with (
            pytest.raises(SftpError) as raised,
            place.client(SALDO_LOOK_SECONDS="2") as client,
        ):
            client.download("inbox", *client.list_files("inbox"), io.BytesIO())
        assert (raised.value.code, str(raised.value)) == (
            "timed_out",
            "the server was not done after 2 seconds: ask the organization, or raise"
            " SALDO_LOOK_SECONDS if it is only slow",
        )

    def test_a_path_that_is_no_text_is_a_failure_of_the_server(self, beside):
        place = beside(has_odd_paths=True)
        with place.client() as client, pytest.raises(SftpError) as raised:
            client.resolve("inbox")
        assert raised.value.code == "server_failed"

    def test_a_large_file_may_be_sent_for_a_second_more_each_megabyte(self, beside):
        place = beside(seconds_a_write=0.03)
        content = BIG[: 32768 * 100]  # 3 seconds
        with place.client(SALDO_LOOK_SECONDS="2") as client:
            assert client.upload("outbox", NAME, content) == "delivered"
        assert (place.server.root / "outbox" / NAME).read_bytes() == content

    def test_a_server_that_takes_longer_than_that_for_a_file_is_left(self, beside):
        place = beside(seconds_a_write=0.2)
        with (
            pytest.raises(SftpError) as raised,
            place.client(SALDO_LOOK_SECONDS="1") as client,
        ):
            client.upload("outbox", NAME, BIG[: 32768 * 40])
        assert raised.value.code == "timed_out"
        assert not (place.server.root / "outbox" / NAME).exists()

    def test_as_many_names_as_are_allowed_are_listed(self, beside):
        place = beside()
        for number in range(100):
            place.put(f"{number:03}.csv", b"")
        with place.client(SALDO_LISTING_LIMIT="100") as client:
            assert len(client.list_files("inbox")) == 100
        with place.client(SALDO_LISTING_LIMIT="99") as client:
            with pytest.raises(SftpError) as raised:
                client.list_files("inbox")
            assert raised.value.code == "listing_too_long"

    @pytest.mark.parametrize("name", ["SALDO_LOOK_SECONDS", "SALDO_LISTING_LIMIT"])
    @pytest.mark.parametrize("value", ["", "0", "-1", "1.5", "many", "1e3", "9999999999"])
    def test_a_limit_that_is_no_number_is_a_wrong_contract(self, beside, name, value):
        place = beside()
        with pytest.raises(ContractError) as raised, place.client(**{name: value}):
            pass
        assert str(raised.value) == (
            f"{name}: {value!r} is not allowed; allowed: a whole number from 1"
        )
