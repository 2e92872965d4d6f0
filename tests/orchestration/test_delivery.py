"""Delivery: each payments file reaches its outbox once, whatever was left half done before."""

from __future__ import annotations

import hashlib
import socket
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from orchestration import warehouse
from orchestration.delivery import Delivery, PaymentsFile, deliver, read_undelivered, record
from orchestration.home import Home
from orchestration.loopback_sftp import HOST

LINES = ["customer_id,product_id", "19153032-2,LUZ-001"]
CONTENT = "".join(f"{line}\n" for line in LINES).encode()
TAKEN = "a file with other content has this name already"


def _file(day: int = 3, organization_id: str = "lumina", content: bytes = CONTENT) -> PaymentsFile:
    name = f"2026-03-{day:02d}_toku_payments.csv"
    return PaymentsFile(organization_id, date(2026, 3, day), name, content)


def _local(home: Home, file: PaymentsFile) -> Path:
    return home.outbox / file.organization_id / file.file_name


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def lumina(make_organization):
    return make_organization()


@pytest.fixture
def outbox(sftp_server, lumina) -> Path:
    return sftp_server.root / lumina.outbox_dir


@pytest.fixture
def environment(sftp_server) -> dict[str, str]:
    return sftp_server.environment(["lumina", "andes_seguros"])


def test_a_file_is_in_both_outboxes_with_the_same_bytes(home, lumina, outbox, environment):
    file = _file()
    path = _local(home, file)
    assert deliver(home, [file], [lumina], environment) == [Delivery(file, path, "delivered")]
    assert path.read_bytes() == CONTENT
    assert (outbox / file.file_name).read_bytes() == CONTENT
    assert _names(outbox) == _names(path.parent) == [file.file_name]
    assert file.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert file.line_count == 1


def test_after_a_crash_between_upload_and_ledger_the_file_is_found_there(
    home, lumina, outbox, environment
):
    file = _file()
    deliver(home, [file], [lumina], environment)  # and nothing is recorded
    before = (outbox / file.file_name).stat()
    (again,) = deliver(home, [file], [lumina], environment)
    assert again == Delivery(file, _local(home, file), "already_there")
    assert again.is_delivered
    after = (outbox / file.file_name).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert _names(outbox) == [file.file_name]


def test_after_a_crash_before_the_upload_the_local_file_is_used(home, lumina, outbox, environment):
    file = _file()
    _local(home, file).parent.mkdir(parents=True)
    _local(home, file).write_bytes(CONTENT)
    (outcome,) = deliver(home, [file], [lumina], environment)
    assert outcome == Delivery(file, _local(home, file), "delivered")
    assert (outbox / file.file_name).read_bytes() == CONTENT


def test_other_bytes_under_the_name_stop_that_file_only(home, lumina, outbox, environment):
    files = [_file(1), _file(2), _file(3)]
    (outbox / files[1].file_name).write_bytes(b"theirs\n")
    assert deliver(home, files, [lumina], environment) == [
        Delivery(files[0], _local(home, files[0]), "delivered"),
        Delivery(files[1], _local(home, files[1]), "name_taken", TAKEN),
        Delivery(files[2], _local(home, files[2]), "delivered"),
    ]
    assert {path.name: path.read_bytes() for path in outbox.iterdir()} == {
        files[0].file_name: CONTENT,
        files[1].file_name: b"theirs\n",
        files[2].file_name: CONTENT,
    }


def test_other_bytes_in_the_local_outbox_are_neither_overwritten_nor_sent(
    home, lumina, outbox, environment
):
    files = [_file(1), _file(2)]
    _local(home, files[1]).parent.mkdir(parents=True)
    _local(home, files[1]).write_bytes(b"published before\n")
    said = "the local outbox holds other bytes under this name"
    outcomes = deliver(home, files, [lumina], environment)
    assert {each.file: (each.outcome, each.detail) for each in outcomes} == {
        files[0]: ("delivered", None),
        files[1]: ("name_taken", said),
    }
    assert _local(home, files[1]).read_bytes() == b"published before\n"
    assert _names(outbox) == [files[0].file_name]


def test_an_organization_whose_server_is_down_stops_no_other(
    home, lumina, outbox, environment, make_organization
):
    files = [_file(1, "andes_seguros"), _file(1), _file(2, "andes_seguros"), _file(1, "gone")]
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        andes = make_organization("andes_seguros", sftp_port=taken.getsockname()[1])
        outcomes = deliver(home, files, [lumina, andes], environment)
    down = "nothing answers at the server's address"
    assert {each.file: (each.outcome, each.detail, each.is_delivered) for each in outcomes} == {
        files[0]: ("unreachable", down, False),
        files[1]: ("delivered", None, True),
        files[2]: ("unreachable", down, False),
        files[3]: ("no_contract", None, False),
    }
    assert [_local(home, file).read_bytes() for file in files] == [CONTENT] * 4
    assert _names(outbox) == [files[1].file_name]


def test_nothing_to_deliver_connects_to_nobody(home, lumina):
    assert deliver(home, [], [lumina], {}) == []


def test_the_ledger_knows_every_attempt_and_ends_the_trying_at_a_success(home):
    file, other = _file(), _file(2, "andes_seguros", b"customer_id,product_id\n")
    clock = lambda: datetime(2026, 3, 3, 6, tzinfo=UTC)  # noqa: E731
    with warehouse.connect(home) as connection:
        connection.execute("create schema exports")
        connection.execute(
            "create table exports.exp_payments_file (organization_id varchar,"
            " business_date date, file_name varchar, line_number bigint, line varchar)"
        )
        for number, line in reversed(list(enumerate(LINES))):
            connection.execute(
                "insert into exports.exp_payments_file values (?, ?, ?, ?, ?)",
                [file.organization_id, file.business_date, file.file_name, number, line],
            )
        connection.execute(
            "insert into exports.exp_payments_file values (?, ?, ?, ?, ?)",
            [other.organization_id, other.business_date, other.file_name, 0, LINES[0]],
        )
        assert read_undelivered(connection) == [other, file]
        failed = Delivery(file, _local(home, file), "timed_out", "no answer")
        record(connection, [failed, Delivery(other, _local(home, other), "delivered")], clock)
        assert read_undelivered(connection) == [file]
        record(connection, [Delivery(file, _local(home, file), "already_there")], clock)
        assert read_undelivered(connection) == []
        ledger = connection.execute("from raw.deliveries").fetchall()
    at = datetime(2026, 3, 3, 6)
    its = ("lumina", date(2026, 3, 3), file.file_name, file.sha256, len(CONTENT), at)
    assert ledger == [
        (*its, "timed_out", "no answer"),
        (
            "andes_seguros",
            date(2026, 3, 2),
            other.file_name,
            other.sha256,
            23,
            at,
            "delivered",
            None,
        ),
        (*its, "already_there", None),
    ]
