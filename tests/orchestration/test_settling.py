"""Uploads that stand still, and servers without an end: what a load takes of them (R13, R20)."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import re
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from bent_sftp import USERNAME, Bends, serve_bent

from orchestration.devtools.loopback_sftp import HOST
from orchestration.installation import warehouse
from orchestration.installation.clock import utc_now
from orchestration.intake import loads, taking
from orchestration.intake.inbox import begin
from orchestration.intake.settling import Sightings, is_quiet
from orchestration.landing import store
from orchestration.landing.manifests import Look, Manifest
from orchestration.servers.remote_files import RemoteFile

TODAY = date(2026, 3, 3)
NAME = "2026-03-03_toku_invoices.csv"
PAYMENTS = "2026-03-03_toku_payments.csv"
NOW = datetime(2026, 3, 3, 8, tzinfo=UTC)
MINUTE = timedelta(seconds=60)


@pytest.mark.parametrize(
    ("quiet", "age_by_server", "seen_before", "expected"),
    [
        (0, None, 0, True),
        (60, None, 0, False),
        (60, None, 59, False),
        (60, None, 60, True),
        (60, 59, 0, False),
        (60, 60, 0, True),
        (60, -3600, 0, False),
        (60, -3600, 60, True),
    ],
)
def test_a_file_is_quiet_by_two_looks_or_by_its_servers_clock(
    quiet, age_by_server, seen_before, expected
):
    file = RemoteFile(NAME, 1, NOW - timedelta(days=9))
    clock = None
    if age_by_server is not None:
        clock = file.modified_at + timedelta(seconds=age_by_server)
    first_seen = NOW - timedelta(seconds=seen_before)
    assert is_quiet(timedelta(seconds=quiet), file, first_seen, NOW, clock) is expected


@pytest.mark.parametrize("modified_at", [None, datetime(1970, 1, 1, tzinfo=UTC)])
def test_a_file_without_a_time_is_quiet_by_its_bytes_alone(modified_at):
    """However long its download took, and those before it."""
    file = RemoteFile(NAME, 1, modified_at)
    assert not is_quiet(MINUTE, file, NOW, NOW, NOW)
    assert not is_quiet(MINUTE, file, NOW - MINUTE, NOW, NOW)
    assert is_quiet(timedelta(0), file, NOW, NOW, None)


class TestSightings:
    """When a file was first seen as it is."""

    def test_it_is_remembered_until_the_file_changes(self, home):
        file = RemoteFile(NAME, 1, NOW)
        first = Sightings(home, NOW)
        assert first.note("lumina", file, NOW) == NOW
        first.write()
        later = Sightings(home, NOW + MINUTE)
        assert later.note("lumina", file, NOW + MINUTE) == NOW
        for other in (dataclasses.replace(file, size=2), dataclasses.replace(file, name="x")):
            assert later.note("lumina", other, NOW + MINUTE) == NOW + MINUTE
        assert later.note("andes_seguros", file, NOW + MINUTE) == NOW + MINUTE

    @pytest.mark.parametrize("modified_at", [None, datetime(1970, 1, 1, tzinfo=UTC)])
    def test_a_file_without_a_time_may_have_changed_since_and_is_not_remembered(
        self, home, modified_at
    ):
        file = RemoteFile(NAME, 1, modified_at)
        sightings = Sightings(home, NOW)
        for now in (NOW, NOW + MINUTE):
            assert sightings.note("lumina", file, now) == now

    def test_no_name_is_in_what_is_remembered(self, home):
        sightings = Sightings(home, NOW)
        sightings.note("lumina", RemoteFile("12345678-5.csv", 1, NOW), NOW)
        sightings.write()
        assert "12345678" not in (home.scratch / "sightings.json").read_text()

    @pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', '{"a": "never"}'])
    def test_a_spoiled_note_and_one_of_the_future_cost_a_wait_and_nothing_else(self, home, content):
        (home.scratch / "sightings.json").write_text(content)
        assert Sightings(home, NOW).note("lumina", RemoteFile(NAME, 1, NOW), NOW) == NOW


@pytest.fixture
def take(home, sftp_server) -> Callable[..., tuple[Manifest, list[str]]]:
    """Take what is new of organizations; what was told meanwhile comes along."""

    def take_new(organizations, environment=None, meanwhile=lambda: None):
        told: list[str] = []

        def say(text: str) -> None:
            told.append(text)
            meanwhile()

        ids = [each.organization_id for each in organizations]
        with warehouse.connect(home) as connection:
            manifest = taking.take(
                connection,
                home,
                store.keep_contracts(home),
                organizations,
                TODAY,
                {**sftp_server.environment(ids), **(environment or {})},
                utc_now,
                say,
            )
        return manifest, told

    return take_new


def test_a_file_is_seen_when_its_inbox_is_looked_into_not_when_the_run_began(
    home, make_organization, sftp_server
):
    """Of many inboxes, or slow ones, some have their turn late."""
    organization = make_organization(quiet_seconds=60)
    (sftp_server.root / organization.inbox_dir / NAME).write_bytes(b"x")
    began = utc_now()
    sightings = Sightings(home, began - 2 * MINUTE)
    looked = begin(home, organization, {}, TODAY, sftp_server.environment(["lumina"]), sightings)
    (unsettled,) = looked.unsettled
    assert (looked.files, unsettled.ready_at >= began + MINUTE) == ([], True)


class TestWaiting:
    """A load waits once for all files that may still be uploaded."""

    @pytest.fixture
    def organizations(self, make_organization):
        return [
            make_organization(name, quiet_seconds=6)
            for name in ("lumina", "andes_seguros", "colegio_pehuen")
        ]

    @pytest.fixture
    def inboxes(self, organizations, sftp_server) -> list[Path]:
        return [sftp_server.root / each.inbox_dir for each in organizations]

    def test_files_that_stand_still_are_taken_after_one_wait_for_all(
        self, take, organizations, inboxes
    ):
        for inbox in inboxes:
            (inbox / NAME).write_bytes(b"x")
        manifest, told = take(organizations)
        assert [re.sub("[0-9]", "N", each) for each in told] == [
            "waiting N seconds: files of lumina, andes_seguros, colegio_pehuen may still be"
            " uploaded"
        ]
        assert manifest.looks == tuple(
            Look(each.organization_id, "looked", files_seen=1, files_taken=1)
            for each in organizations
        )

    def test_a_file_that_goes_on_growing_is_left_and_told(self, take, home, organizations, inboxes):
        for inbox in inboxes[:2]:
            (inbox / NAME).write_bytes(b"x")
        manifest, _ = take(organizations, meanwhile=lambda: (inboxes[0] / NAME).write_bytes(b"xy"))
        changed = "the file changed while Saldo waited for its upload to end"
        assert manifest.looks == (
            Look("lumina", "still_growing", changed, files_seen=1),
            Look("andes_seguros", "looked", files_seen=1, files_taken=1),
            Look("colegio_pehuen", "looked"),
        )
        assert not list((home.landing / "lumina").iterdir())

    @pytest.mark.parametrize("age", [0, 1_000_000])
    def test_bytes_that_another_file_has_too_stay_when_one_goes_on_growing(
        self, take, home, organizations, inboxes, age
    ):
        """As two uploads that have just begun have: none."""
        for name in (NAME, PAYMENTS):
            (inboxes[0] / name).write_bytes(b"")
        written_at = (inboxes[0] / PAYMENTS).stat().st_mtime - age
        os.utime(inboxes[0] / PAYMENTS, (written_at, written_at))
        manifest, _ = take(
            organizations[:1], meanwhile=lambda: (inboxes[0] / NAME).write_bytes(b"xy")
        )
        (file,) = manifest.files
        assert (file.file_name, store.stored_path(home, file).read_bytes()) == (PAYMENTS, b"")

    def test_a_file_that_is_taken_away_meanwhile_counts_for_it_was_received_whole(
        self, take, organizations, inboxes
    ):
        (inboxes[0] / NAME).write_bytes(b"x")
        manifest, _ = take(organizations, meanwhile=(inboxes[0] / NAME).unlink)
        assert [file.file_name for file in manifest.files] == [NAME]

    def test_a_file_that_is_gone_when_the_second_look_fails_is_taken_by_the_next_load(
        self, take, home, organizations, inboxes, sftp_server, tmp_path
    ):
        known_hosts = tmp_path / "known_hosts"
        known_hosts.write_text(sftp_server.known_hosts_file.read_text())

        def part() -> None:
            (inboxes[0] / NAME).unlink()
            known_hosts.write_text(known_hosts.read_text().replace(HOST, "elsewhere"))

        (inboxes[0] / NAME).write_bytes(b"x")
        manifest, _ = take(
            organizations[:1], {"SFTP_KNOWN_HOSTS_FILE": str(known_hosts)}, meanwhile=part
        )
        assert [look.outcome for look in manifest.looks] == ["host_key_unknown"]
        assert manifest.files == ()
        manifest, _ = take(organizations[:1])
        (file,) = manifest.files
        assert (file.file_name, store.stored_path(home, file).read_bytes()) == (NAME, b"x")
        assert list((home.landing / "_arriving").glob("*/*")) == []

    def test_a_server_that_fails_for_a_missing_name_has_had_the_file_taken_away(
        self, take, make_organization, tmp_path
    ):
        bends = Bends(fails_for_missing=True)
        with serve_bent(tmp_path / "bent", tmp_path / "keys", bends) as server:
            path = server.root / "inbox" / NAME
            path.parent.mkdir()
            path.write_bytes(b"x")
            organization = make_organization(
                quiet_seconds=6,
                sftp_port=server.port,
                sftp_username=USERNAME,
                inbox_dir="inbox",
            )
            manifest, _ = take([organization], server.environment("lumina"), meanwhile=path.unlink)
        assert manifest.looks == (Look("lumina", "looked", files_seen=1, files_taken=1),)
        assert [file.file_name for file in manifest.files] == [NAME]

    @pytest.mark.parametrize("says_1970", [False, True])
    def test_a_file_without_a_time_is_taken_once_its_bytes_stand_still(
        self, take, make_organization, tmp_path, says_1970
    ):
        """However often it was seen: another look may have found other bytes."""
        bends = Bends(has_time=says_1970, has_size=says_1970)
        with serve_bent(tmp_path / "bent", tmp_path / "keys", bends) as server:
            path = server.root / "inbox" / NAME
            path.parent.mkdir()

            def put(content: bytes) -> None:
                path.write_bytes(content)
                os.utime(path, (0, 0))

            put(b"a")
            organization = make_organization(
                quiet_seconds=1,
                sftp_port=server.port,
                sftp_username=USERNAME,
                inbox_dir="inbox",
            )
            environment = server.environment("lumina")
            for content in (b"b", b"c"):
                manifest, _ = take(
                    [organization], environment, meanwhile=functools.partial(put, content)
                )
                assert [look.outcome for look in manifest.looks] == ["still_growing"]
            manifest, told = take([organization], environment)
        assert len(told) == 1
        (file,) = manifest.files
        assert file.sha256 == hashlib.sha256(b"c").hexdigest()

    def test_an_old_file_is_taken_at_once(self, take, organizations, inboxes):
        (inboxes[0] / NAME).write_bytes(b"x")
        os.utime(inboxes[0] / NAME, (1_700_000_000, 1_700_000_000))
        manifest, told = take(organizations)
        assert (told, [file.file_name for file in manifest.files]) == ([], [NAME])

    def test_nothing_is_waited_for_where_the_contract_says_so(
        self, take, make_organization, sftp_server
    ):
        organization = make_organization(quiet_seconds=0)
        (sftp_server.root / organization.inbox_dir / NAME).write_bytes(b"x")
        manifest, told = take([organization])
        assert (told, [file.file_name for file in manifest.files]) == ([], [NAME])


def test_servers_without_an_end_hold_up_nobody(take, make_organization, sftp_server, tmp_path):
    """R20: names announced or listed without end, names and bytes that come slowly."""
    bends = {
        "announcing": Bends(announced_names=4_000_000_000),
        "endless": Bends(is_endless=True),
        "slow_names": Bends(seconds_a_name=0.5),
        "slow_bytes": Bends(seconds_a_byte=0.5),
    }
    limits = {"SALDO_LOOK_SECONDS": "5", "SALDO_LISTING_LIMIT": "5000"}
    with ExitStack() as stack:
        organizations, hosts = [make_organization("andes_seguros")], []
        (sftp_server.root / organizations[0].inbox_dir / NAME).write_bytes(b"x")
        environment = dict(limits)
        for name, bend in bends.items():
            root = tmp_path / name
            (root / "inbox").mkdir(parents=True)
            (root / "inbox" / NAME).write_bytes(b"x" * 1000)
            server = stack.enter_context(serve_bent(root, tmp_path / f"{name}_keys", bend))
            environment |= server.environment(name)
            hosts.append(server.known_hosts_file.read_text())
            organizations.append(
                dataclasses.replace(
                    make_organization("lumina"),
                    organization_id=name,
                    sftp_port=server.port,
                    sftp_username=USERNAME,
                    inbox_dir="inbox",
                )
            )
        known_hosts = tmp_path / "known_hosts"
        known_hosts.write_text(sftp_server.known_hosts_file.read_text() + "".join(hosts))
        environment["SFTP_KNOWN_HOSTS_FILE"] = str(known_hosts)
        manifest, _ = take(organizations, environment)
    assert {look.organization_id: look.outcome for look in manifest.looks} == {
        "andes_seguros": "looked",
        "announcing": "server_failed",
        "endless": "listing_too_long",
        "slow_names": "timed_out",
        "slow_bytes": "timed_out",
    }
    assert [file.organization_id for file in manifest.files] == ["andes_seguros"]


def test_files_without_an_end_are_taken_in_several_loads(take, make_organization, sftp_server):
    """R20: the bytes of each file extend the deadline, so that a look would have no end."""
    organization = make_organization(quiet_seconds=0)
    inbox = sftp_server.root / organization.inbox_dir
    names = [f"2026-02-{day:02}_toku_payments.csv" for day in range(1, 8)]
    for name in names:
        (inbox / name).write_bytes(name.encode() * 16_000)  # 430 kB
    (inbox / NAME).write_bytes(b"x")
    taken, waiting = [], []
    while not waiting or waiting[-1]:
        manifest, _ = take([organization], {"SALDO_FILE_LIMIT": "1MB"})
        (look,) = manifest.looks
        assert look.outcome == "looked"
        assert manifest.is_followed is bool(look.files_waiting)
        taken.append([file.file_name for file in manifest.files])
        waiting.append(look.files_waiting)
        for file in manifest.files:
            (inbox / file.file_name).unlink()
    assert taken == [[NAME, *names[:3]], names[3:6], names[6:]]
    assert waiting == [4, 1, 0]


def test_files_that_bring_nothing_new_keep_no_new_one_waiting(
    home, take, make_organization, tmp_path
):
    """Without a time those of a week are received again and compared: more than a file may have."""
    with serve_bent(tmp_path / "bent", tmp_path / "keys", Bends(has_time=False)) as server:
        inbox = server.root / "inbox"
        inbox.mkdir()
        organization = make_organization(
            quiet_seconds=0, sftp_port=server.port, sftp_username=USERNAME, inbox_dir="inbox"
        )
        environment = server.environment("lumina")
        for name in [f"2026-02-{day}_toku_invoices.csv" for day in range(25, 29)]:
            (inbox / name).write_bytes(name.encode() * 16_000)  # 430 kB
            take([organization], environment)
            with warehouse.connect(home) as connection:
                carried = loads.carry_landed(connection, home)
                warehouse.finish_load(connection, carried.manifest.load_id)
        (inbox / NAME).write_bytes(b"x")
        manifest, _ = take([organization], environment | {"SALDO_FILE_LIMIT": "1MB"})
    assert [file.file_name for file in manifest.files] == [NAME]
    assert [look.files_waiting for look in manifest.looks] == [0]
