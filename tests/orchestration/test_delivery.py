"""Delivery: each file reaches its outbox once, whatever was left half done before (R19, R24)."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import socket
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest
import yaml

from orchestration.delivery import ledger, outgoing
from orchestration.delivery.ledger import LedgerError
from orchestration.delivery.outbox import Delivery, deliver
from orchestration.delivery.outgoing import (
    DELIVERED,
    LEFT_TO_PEOPLE,
    FileKey,
    OutgoingFile,
    read_publication,
    read_undelivered,
)
from orchestration.devtools.loopback_sftp import HOST
from orchestration.installation import warehouse
from orchestration.installation.clock import Clock, utc_now
from orchestration.installation.home import PROJECT, Home
from orchestration.servers.errors import WHAT_TO_DO
from tests.orchestration.publications import CONTENT, make_views, publish

TAKEN = (
    "a file with other content has this name already:"
    " have the organization remove or rename it, then run again"
)


def _file(day: int = 3, organization_id: str = "lumina", content: bytes = CONTENT) -> OutgoingFile:
    name = f"2026-03-{day:02d}_toku_payments.csv"
    day_of = date(2026, 3, day)
    return OutgoingFile(organization_id, day_of, "payments_file", name, day, content)


def _manifest(day: int) -> OutgoingFile:
    name = f"2026-03-{day:02d}_toku_payments.json"
    return OutgoingFile("lumina", date(2026, 3, day), "payments_manifest", name, day, b"{}\n")


def _answer(content: bytes, load_id: int) -> OutgoingFile:
    name = "2026-03-03_toku_invoices.csv.result.csv"
    return OutgoingFile("lumina", date(2026, 3, 3), "intake_result", name, load_id, content)


def _record(
    connection: duckdb.DuckDBPyConnection,
    home: Home,
    deliveries: list[Delivery],
    clock: Clock = utc_now,
) -> None:
    """Note what came of a delivery step, without one."""
    with ledger.open_batch(home, clock) as batch:
        batch.note_outcomes(
            *((each.file, each.outcome, each.detail, each.is_in_doubt) for each in deliveries)
        )
    ledger.restore(connection, home)


def _local(home: Home, file: OutgoingFile) -> Path:
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
    assert deliver(home, [file], [lumina], environment) == [Delivery(file, "delivered")]
    assert path.read_bytes() == CONTENT
    assert (outbox / file.file_name).read_bytes() == CONTENT
    assert _names(outbox) == _names(path.parent) == [file.file_name]
    assert file.sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_after_a_crash_between_upload_and_ledger_the_file_is_found_there(
    home, lumina, outbox, environment
):
    file = _file()
    deliver(home, [file], [lumina], environment)  # and nothing is recorded
    before = (outbox / file.file_name).stat()
    (again,) = deliver(home, [file], [lumina], environment)
    assert again == Delivery(file, "already_there")
    assert again.is_delivered
    after = (outbox / file.file_name).stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert _names(outbox) == [file.file_name]


def test_after_a_crash_before_the_upload_the_local_file_is_used(home, lumina, outbox, environment):
    file = _file()
    _local(home, file).parent.mkdir(parents=True)
    _local(home, file).write_bytes(CONTENT)
    (outcome,) = deliver(home, [file], [lumina], environment)
    assert outcome == Delivery(file, "delivered")
    assert (outbox / file.file_name).read_bytes() == CONTENT


def test_other_bytes_under_the_name_stop_that_file_only(home, lumina, outbox, environment):
    files = [_file(1), _file(2), _file(3)]
    (outbox / files[1].file_name).write_bytes(b"theirs\n")
    assert deliver(home, files, [lumina], environment) == [
        Delivery(files[0], "delivered"),
        Delivery(files[1], "name_taken", TAKEN),
        Delivery(files[2], "delivered"),
    ]
    assert {path.name: path.read_bytes() for path in outbox.iterdir()} == {
        files[0].file_name: CONTENT,
        files[1].file_name: b"theirs\n",
        files[2].file_name: CONTENT,
    }


def test_a_file_that_the_server_refuses_stops_no_other(home, lumina, outbox, environment):
    """R20, R22: a name that is too long for the server, before a payments file."""
    answer = dataclasses.replace(_answer(b"linea\n", 3), file_name=f"{'c' * 240}.result.csv")
    first, second = deliver(home, [answer, _file()], [lumina], environment)
    assert (first.file, first.outcome) == (answer, "server_failed")
    assert second == Delivery(_file(), "delivered")
    assert _names(outbox) == [_file().file_name]


def test_a_manifest_does_not_arrive_before_its_payments_file(home, lumina, outbox, environment):
    """R24: here the first payments file's name is taken, the second's is not."""
    files = [_file(1), _manifest(1), _file(2), _manifest(2)]
    (outbox / files[0].file_name).write_bytes(b"theirs\n")
    waiting = "its payments file is not in the outbox: it is sent once that is"
    assert deliver(home, files, [lumina], environment) == [
        Delivery(files[0], "name_taken", TAKEN),
        Delivery(files[1], "file_not_delivered", waiting),
        Delivery(files[2], "delivered"),
        Delivery(files[3], "delivered"),
    ]
    assert _names(outbox) == sorted(each.file_name for each in (files[0], *files[2:]))
    (outbox / files[0].file_name).unlink()
    outcomes = deliver(home, files[:2], [lumina], environment)
    assert [each.outcome for each in outcomes] == ["delivered", "delivered"]


def test_other_bytes_in_the_local_outbox_are_neither_overwritten_nor_sent(
    home, lumina, outbox, environment
):
    files = [_file(1), _file(2)]
    _local(home, files[1]).parent.mkdir(parents=True)
    _local(home, files[1]).write_bytes(b"published before\n")
    said = "the local outbox holds other bytes under this name: move them away, then run again"
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
    down = f"nothing answers at the server's address: {WHAT_TO_DO['unreachable']}"
    assert {each.file: (each.outcome, each.detail, each.is_delivered) for each in outcomes} == {
        files[0]: ("unreachable", down, False),
        files[1]: ("delivered", None, True),
        files[2]: ("unreachable", down, False),
        files[3]: ("no_contract", None, False),
    }
    assert [_local(home, file).read_bytes() for file in files] == [CONTENT] * 4
    assert _names(outbox) == [files[1].file_name]


def _spoil(home: Home, file: OutgoingFile, how: str, mount_small_disk) -> str:
    """Make a local outbox unusable; what is said of it."""
    path = _local(home, file)
    if how == "a folder has the name":
        path.mkdir(parents=True)
        return "the local outbox holds what is no file: move it away, then run again"
    if how == "a pipe has the name":
        path.parent.mkdir()
        os.mkfifo(path)
        return "the local outbox holds what is no file: move it away, then run again"
    if how == "a file is where the folder should be":
        path.parent.write_text("")
        return "the local outbox cannot be used (File exists): mend it, then run again"
    path.parent.mkdir()
    mount_small_disk(path.parent, megabytes=1)
    (path.parent / "filler").write_bytes(b"x" * ((1 << 20) - 4096))
    return "the local outbox cannot be used (No space left on device): mend it, then run again"


@pytest.mark.parametrize(
    "how",
    [
        "a folder has the name",
        "a pipe has the name",
        "a file is where the folder should be",
        "its disk is full",
    ],
)
def test_a_local_outbox_that_cannot_be_used_is_the_fault_of_one_organization_alone(
    home, lumina, outbox, environment, make_organization, mount_small_disk, how
):
    """R20: the others are delivered and noted; nothing of this one leaves."""
    andes = make_organization("andes_seguros")
    big = b"19153032-2,LUZ-001\n" * 1000
    files = [_file(1, "andes_seguros"), _file(1, content=big), _answer(b"linea\n", 1)]
    said = _spoil(home, files[1], how, mount_small_disk)
    outcomes = deliver(home, files, [lumina, andes], environment)
    assert outcomes == [
        Delivery(files[0], "delivered"),
        Delivery(files[1], "local_outbox_failed", said),
        Delivery(files[2], "delivered"),
    ]
    assert _names(outbox) == [files[2].file_name]
    noted = [each for _, batch in ledger.read_attempts(home, 0) for each in batch]
    assert {(each.key, each.outcome) for each in noted} == {
        (each.file.key, each.outcome) for each in outcomes
    }


def _begin(home: Home, *files: OutgoingFile) -> set[FileKey]:
    """Leave intents without outcomes, as a killed step does."""
    batch = ledger.Batch(home, 1, utc_now)
    for file in files:
        batch.note_intent(file)
    batch.close()
    return {file.key for file in files}


def _part(file: OutgoingFile) -> str:
    return f".{file.file_name}.{file.sha256[:12]}.part"


@pytest.mark.parametrize(
    ("there", "outcome"),
    [("the file", "delivered"), ("a part of it", "delivered"), ("nothing", "unconfirmed")],
)
@pytest.mark.parametrize("is_final", [True, False])
def test_a_file_in_doubt_is_looked_for_and_not_sent_a_second_time(
    home, lumina, outbox, environment, there, outcome, is_final
):
    file = _file() if is_final else _answer(b"linea\n", 3)
    in_doubt = _begin(home, file)
    if there == "the file":
        (outbox / file.file_name).write_bytes(file.content)
    elif there == "a part of it":
        (outbox / _part(file)).write_bytes(file.content[:5])
    before = _names(outbox)
    (found,) = deliver(home, [file], [lumina], environment, in_doubt)
    assert (found.outcome, found.is_in_doubt) == (outcome, False)
    assert _names(outbox) == ([file.file_name] if before else [])
    assert all(path.read_bytes() == file.content for path in outbox.iterdir())


def test_a_former_answer_under_the_name_says_nothing_of_the_one_in_doubt(
    home, lumina, outbox, environment
):
    file = _answer(b"linea\n2\n", 4)
    (outbox / file.file_name).write_bytes(b"linea\n")
    (found,) = deliver(home, [file], [lumina], environment, _begin(home, file))
    assert found.outcome == "unconfirmed"
    assert (outbox / file.file_name).read_bytes() == b"linea\n"


def test_a_manifest_is_left_to_people_with_its_payments_file(home, lumina, outbox, environment):
    files = [_file(1), _manifest(1), _file(2), _manifest(2)]
    outcomes = deliver(home, files, [lumina], environment, _begin(home, files[0]))
    assert [each.outcome for each in outcomes] == [
        "unconfirmed",
        "unconfirmed",
        "delivered",
        "delivered",
    ]
    assert _names(outbox) == [files[2].file_name, files[3].file_name]


@pytest.mark.parametrize("fault", ["unreachable", "no_contract", "no_folder"])
def test_a_file_stays_in_doubt_until_somebody_could_look(
    home, lumina, outbox, environment, make_organization, fault
):
    file = _file()
    in_doubt = _begin(home, file)
    contracts = [lumina]
    if fault == "no_contract":
        contracts = []
    elif fault == "no_folder":
        outbox.rmdir()
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        if fault == "unreachable":
            contracts = [dataclasses.replace(lumina, sftp_port=taken.getsockname()[1])]
        (found,) = deliver(home, [file], contracts, environment, in_doubt)
    assert (found.outcome, found.is_in_doubt) == (fault, True)
    with warehouse.connect(home) as connection:
        make_views(connection)
        ledger.restore(connection, home)
        assert ledger.find_in_doubt(connection) == in_doubt


def test_a_file_whose_upload_was_refused_is_not_in_doubt(home, lumina, outbox, environment):
    """Its temporary name was taken back: nobody can have it."""
    file = _answer(b"linea\n", 3)
    (outbox / file.file_name).mkdir()
    (outbox / file.file_name / "theirs").write_text("")
    (refused,) = deliver(home, [file], [lumina], environment)
    assert (refused.is_delivered, refused.is_in_doubt) == (False, False)
    assert _names(outbox) == [file.file_name]


def test_nothing_is_sent_that_the_ledger_cannot_note(home, lumina, outbox, environment):
    (home.landing / "_deliveries").write_text("no folder")
    with pytest.raises(LedgerError, match="what is not noted is not sent"):
        deliver(home, [_file()], [lumina], environment)
    assert _file().file_name not in _names(outbox)


@pytest.fixture
def small_outbox(outbox, mount_small_disk) -> Path:
    """The outbox on a disk of its own of 1 MB, of which 200 KB are free."""
    mount_small_disk(outbox, megabytes=1)
    (outbox / "filler").write_bytes(b"x" * 800_000)
    return outbox


def test_a_full_disk_of_the_server_gives_nothing_a_name_and_the_next_attempt_delivers(
    home, lumina, small_outbox, environment
):
    file = _file(content=b"19153032-2,LUZ-001\n" * 30_000)
    (failed,) = deliver(home, [file], [lumina], environment)
    assert not failed.is_delivered
    assert file.file_name not in _names(small_outbox)
    (small_outbox / "filler").unlink()
    (delivered,) = deliver(home, [file], [lumina], environment)
    assert delivered == Delivery(file, "delivered")
    assert (small_outbox / file.file_name).read_bytes() == file.content
    assert _names(small_outbox) == [file.file_name]


def test_nothing_to_deliver_connects_to_nobody(home, lumina):
    assert deliver(home, [], [lumina], {}) == []


def test_an_answer_takes_the_place_of_a_former_one_and_is_not_kept_here(
    home, lumina, outbox, environment
):
    former, newer = _answer(b"linea\n", 1), _answer(b"linea\n2\n", 2)
    outcomes = [deliver(home, [each], [lumina], environment)[0] for each in (former, newer, newer)]
    assert [each.outcome for each in outcomes] == ["delivered", "delivered", "already_there"]
    assert (outbox / newer.file_name).read_bytes() == b"linea\n2\n"
    assert _names(outbox) == [newer.file_name]
    assert list(home.outbox.rglob("*")) == []


@pytest.fixture
def published(home):
    with warehouse.connect(home) as connection:
        publish(connection)
        yield connection


MANIFEST = f"""\
{{
  "organization_id": "lumina",
  "business_date": "2026-03-03",
  "file_name": "2026-03-03_toku_payments.csv",
  "sha256": "{hashlib.sha256(CONTENT).hexdigest()}",
  "byte_count": {len(CONTENT)},
  "row_count": 1,
  "totals": [
    {{
      "status": "autorizado",
      "currency": "CLP",
      "row_count": 1,
      "amount": "1500.00"
    }}
  ],
  "first_event_at": "2026-03-02T12:00:00Z",
  "last_event_at": "2026-03-02T12:00:00Z"
}}
""".encode()


def test_what_is_due_is_read_with_its_bytes_each_manifest_after_its_file(published):
    other = _file(2, "andes_seguros", b"customer_id,product_id\n")
    manifest_name = "2026-03-03_toku_payments.json"
    manifest = OutgoingFile(
        "lumina", date(2026, 3, 3), "payments_manifest", manifest_name, 3, MANIFEST
    )
    assert read_undelivered(published) == [other, _file(), manifest, _answer(b"linea\n", 3)]
    assert read_publication(published, "lumina", date(2026, 3, 3)) == [_file(), manifest]
    assert read_publication(published, "lumina", date(2026, 3, 2)) == []


def test_an_answer_that_memory_does_not_hold_is_sent_and_the_payments_file_too(
    home, published, lumina, outbox, environment, monkeypatch
):
    """R20: as many rows as one organization likes would leave all without their payments files."""
    line_count = 400_000
    published.execute(
        f"""
        insert into exports.exp_intake_results
        select results.* replace (number as line_number, repeat('x', 200) || number as line)
        from exports.exp_intake_results as results, range(2, {line_count}) as numbers(number)
        """
    )
    published.execute("set threads = 1; set memory_limit = '60MB'")
    monkeypatch.setattr(outgoing, "_MOST_IN_MEMORY", 1000)
    _, file, manifest, answer = read_undelivered(published)
    lines = [f"{'x' * 200}{number}" for number in range(2, line_count)]
    expected = "\n".join(["linea", *lines, ""]).encode()
    deliveries = deliver(home, [file, manifest, answer], [lumina], environment)
    assert [each.outcome for each in deliveries] == ["delivered"] * 3
    assert (outbox / file.file_name).read_bytes() == CONTENT
    assert (outbox / answer.file_name).read_bytes() == expected
    assert answer.sha256 == hashlib.sha256(expected).hexdigest()
    assert list(home.scratch.iterdir()) == []
    (again,) = deliver(home, [answer], [lumina], environment)
    assert again.outcome == "already_there"


def test_a_load_that_is_not_finished_has_no_publication(published):
    """R28: its tests may have failed, and what republish sends is final."""
    published.execute("update raw.loads set finished_at = null where load_id = 3")
    assert read_publication(published, "lumina", date(2026, 3, 3)) == []


def test_the_ledger_knows_every_attempt_and_ends_the_trying_at_a_success(home, published):
    clock = lambda: datetime(2026, 3, 3, 6, tzinfo=UTC)  # noqa: E731
    other, file, manifest, answer = read_undelivered(published)
    attempts = [Delivery(file, "timed_out", "no answer"), Delivery(other, "delivered")]
    _record(published, home, attempts, clock)
    assert read_undelivered(published) == [file, manifest, answer]
    attempts = [Delivery(each, "already_there") for each in (file, manifest, answer)]
    _record(published, home, attempts, clock)
    assert read_undelivered(published) == []
    noted = published.execute(
        "select batch_id, organization_id, kind, load_id, sha256, byte_count, attempted_at,"
        " outcome, detail from raw.deliveries"
    ).fetchall()
    at = datetime(2026, 3, 3, 6)
    tried = [
        (1, file, "timed_out", "no answer"),
        (1, other, "delivered", None),
        *[(2, each, "already_there", None) for each in (file, manifest, answer)],
    ]
    assert noted == [
        (
            batch,
            each.organization_id,
            each.kind,
            each.load_id,
            each.sha256,
            len(each.content),
            at,
            outcome,
            detail,
        )
        for batch, each, outcome, detail in tried
    ]


def test_a_verdict_that_changes_makes_the_answer_due_again(home, published):
    _record(published, home, [Delivery(each, "delivered") for each in read_undelivered(published)])
    published.execute(
        "update intermediate.outgoing_files set load_id = 4 where kind = 'intake_result';"
        "update exports.exp_intake_results set load_id = 4"
    )
    assert read_undelivered(published) == [_answer(b"linea\n", 4)]


def test_nothing_of_a_load_that_is_not_finished_is_due(published):
    published.execute("update raw.loads set finished_at = null where load_id = 3")
    assert read_undelivered(published) == [_file(2, "andes_seguros", b"customer_id,product_id\n")]


def test_a_warehouse_built_anew_knows_what_was_delivered_before(home, published):
    _record(published, home, [Delivery(each, "delivered") for each in read_undelivered(published)])
    attempts = published.execute("from raw.deliveries").fetchall()
    published.execute("delete from raw.deliveries")
    ledger.restore(published, home)
    ledger.restore(published, home)
    assert published.execute("from raw.deliveries").fetchall() == attempts
    assert read_undelivered(published) == []


LEFT = ["taken_unread", "unconfirmed"]


@pytest.mark.parametrize("outcome", LEFT)
def test_what_the_receiver_may_have_is_sent_again_by_republish_alone(home, published, outcome):
    other, file, manifest, answer = read_undelivered(published)
    attempts = [Delivery(each, outcome) for each in (file, manifest, answer)]
    _record(published, home, [*attempts, Delivery(other, "delivered")])
    assert read_undelivered(published) == []
    assert read_publication(published, "lumina", date(2026, 3, 3)) == [file, manifest, answer]
    _record(published, home, [Delivery(file, "unreachable")])
    assert read_undelivered(published) == []
    # a republish that was interrupted is looked for
    _record(published, home, [Delivery(file, "timed_out", is_in_doubt=True)])
    assert read_undelivered(published) == [file]
    _record(published, home, [Delivery(each, "delivered") for each in (file, manifest, answer)])
    assert read_undelivered(published) == []
    assert read_publication(published, "lumina", date(2026, 3, 3)) == [file, manifest]


@pytest.mark.parametrize("outcome", ["unreachable", "unconfirmed"])
def test_without_a_contract_a_file_is_tried_once_and_again_under_a_new_contract(
    home, published, lumina, outbox, environment, outcome
):
    """R24: here offboarded after a failure, or after a `republish` was killed."""
    other, *files = read_undelivered(published)
    _record(published, home, [Delivery(each, outcome, is_in_doubt=True) for each in files])
    _record(published, home, [Delivery(other, "delivered")])
    published.execute("delete from marts.main.organizations where organization_id = 'lumina'")

    outcomes = []
    for _ in range(3):
        in_doubt = ledger.find_in_doubt(published)
        deliver(home, read_undelivered(published), [], environment, in_doubt)
        ledger.restore(published, home)
        noted = published.execute(
            "select outcome from raw.deliveries where organization_id = 'lumina' order by batch_id"
        ).fetchall()
        outcomes.append([name for (name,) in noted])
    assert outcomes == [[outcome] * 3 + ["no_contract"] * 3] * 3
    assert ledger.find_in_doubt(published) == {each.key for each in files}

    published.execute("insert into marts.main.organizations values ('lumina')")
    assert read_undelivered(published) == files


@pytest.mark.parametrize("outcome", [*LEFT, "delivered", "begun"])
def test_other_bytes_than_the_receiver_may_have_are_never_sent(home, published, outcome):
    _, file, *_ = read_undelivered(published)
    _record(published, home, [Delivery(file, outcome, is_in_doubt=outcome == "begun")])
    other = dataclasses.replace(file, content=b"customer_id\n")
    assert ledger.find_changed(published, [file]) == []
    assert ledger.find_changed(published, [other]) == [other]


def test_the_models_and_the_outbox_call_the_same_outcomes_a_success() -> None:
    variables = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))["vars"]
    assert tuple(variables["delivered_outcomes"]) == DELIVERED
    assert tuple(variables["left_to_people_outcomes"]) == LEFT_TO_PEOPLE
