"""Intake: which files a load takes, and that no organization's trouble is another's."""

from __future__ import annotations

import codecs
import dataclasses
import hashlib
import os
import shutil
import socket
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import duckdb
import pytest

from orchestration.contracts.organizations import Organization, read_organizations
from orchestration.contracts.tables import ContractError
from orchestration.devtools.loopback_sftp import HOST
from orchestration.installation import warehouse
from orchestration.installation.home import PROJECT, Home
from orchestration.intake import loads
from orchestration.intake.inbox import Seen, find_new
from orchestration.intake.recognizing import Arrival, choose
from orchestration.intake.taking import take
from orchestration.landing import manifests, store
from orchestration.landing.manifests import LandedFile, Look
from orchestration.servers.errors import WHAT_TO_DO
from orchestration.servers.remote_files import Listing, RemoteFile
from orchestration.servers.sftp import Client
from tests.orchestration.looking import look_into

LUMINA = read_organizations(PROJECT / "seeds")[0]
TODAY = date(2026, 3, 3)
WRITTEN = datetime(2026, 3, 3, 7, tzinfo=UTC)
RECEIVED = datetime(2026, 3, 3, 8)
SHA256 = hashlib.sha256(b"x").hexdigest()


def _clock() -> datetime:
    return RECEIVED.replace(tzinfo=UTC)


def _remote(name: str, size: int = 1, modified_at: datetime = WRITTEN) -> RemoteFile:
    return RemoteFile(name, size, modified_at)


def _debts(day: int, **changes: datetime | int) -> RemoteFile:
    return _remote(f"2026-03-{day:02d}_toku_invoices.csv", **changes)


def _payments(day: int) -> RemoteFile:
    return _remote(f"2026-03-{day:02d}_toku_payments.csv")


def _seen(**changes: datetime | int) -> Seen:
    receipt = Seen(1, SHA256, WRITTEN.replace(tzinfo=None), RECEIVED)
    return dataclasses.replace(receipt, **changes)


def _choose(organization: Organization, listing: list[RemoteFile], *rest) -> tuple:
    arrivals = find_new(organization, listing, *rest)
    chosen = choose(arrivals)
    return chosen, len(arrivals) - len(chosen)


class TestChoosing:
    """The decision, on listings and receipts alone."""

    def test_an_empty_inbox_gives_nothing(self):
        assert _choose(LUMINA, [], {}, TODAY) == ([], 0)

    def test_the_oldest_debts_file_is_taken_and_the_others_wait(self):
        listing = [_debts(3), _debts(1), _debts(2)]
        oldest = Arrival("invoices", date(2026, 3, 1), _debts(1))
        assert _choose(LUMINA, listing, {}, TODAY) == ([oldest], 2)

    def test_payments_files_are_taken_all_at_once_in_order(self):
        listing = [_payments(3), _debts(3), _payments(2)]
        assert _choose(LUMINA, listing, {}, TODAY) == (
            [
                Arrival("invoices", date(2026, 3, 3), _debts(3)),
                Arrival("payments", date(2026, 3, 2), _payments(2)),
                Arrival("payments", date(2026, 3, 3), _payments(3)),
            ],
            0,
        )

    def test_of_two_debts_files_for_one_date_the_one_written_first_is_taken(self):
        organization = dataclasses.replace(LUMINA, invoices_pattern="YYYY-MM-DD*.csv")
        first = _remote("2026-03-03_b.csv", modified_at=WRITTEN - timedelta(seconds=1))
        listing = [_remote("2026-03-03_a.csv"), first]
        expected = ([Arrival("invoices", TODAY, first)], 1)
        assert _choose(organization, listing, {}, TODAY) == expected

    def test_files_for_later_dates_stay(self):
        assert _choose(LUMINA, [_debts(4), _payments(4)], {}, TODAY) == ([], 0)

    def test_files_of_no_pattern_are_left_alone(self):
        listing = [_remote("readme.txt"), _remote("2026-03-03_toku_invoices.csv.part")]
        assert _choose(LUMINA, listing, {}, TODAY) == ([], 0)

    def test_a_name_with_a_day_of_no_calendar_is_taken_with_its_code(self):
        remote = _remote("2026-02-30_toku_invoices.csv")
        expected = [Arrival("invoices", TODAY, remote, "invalid_file_date")]
        assert _choose(LUMINA, [remote], {}, TODAY) == (expected, 0)

    def test_a_file_that_was_received_is_passed_over(self):
        seen = {("invoices", _debts(2).name): _seen()}
        expected = [Arrival("invoices", date(2026, 3, 3), _debts(3))]
        assert _choose(LUMINA, [_debts(2), _debts(3)], seen, TODAY) == (expected, 0)

    def test_the_receipt_of_another_kind_of_file_does_not_count(self):
        seen = {("payments", _debts(3).name): _seen()}
        expected = [Arrival("invoices", TODAY, _debts(3))]
        assert _choose(LUMINA, [_debts(3)], seen, TODAY) == (expected, 0)

    @pytest.mark.parametrize(
        "change",
        [
            {"size": 2},
            {"modified_at": WRITTEN + timedelta(seconds=1)},
            {"modified_at": WRITTEN - timedelta(days=9)},
        ],
        ids=["size", "later time", "earlier time"],
    )
    def test_a_file_with_another_size_or_time_than_received_is_taken_again(self, change):
        seen = {("invoices", _debts(3).name): _seen()}
        changed = _debts(3, **change)
        expected = [Arrival("invoices", TODAY, changed)]
        assert _choose(LUMINA, [changed], seen, TODAY) == (expected, 0)

    @pytest.mark.parametrize(
        ("seconds", "is_taken"), [(-60, True), (0, True), (1.9, True), (2, False)]
    )
    def test_a_file_received_in_the_second_it_was_written_is_read_again(self, seconds, is_taken):
        received_at = WRITTEN.replace(tzinfo=None) + timedelta(seconds=seconds)
        seen = {("invoices", _debts(3).name): _seen(received_at=received_at)}
        expected = [Arrival("invoices", TODAY, _debts(3))] if is_taken else []
        assert find_new(LUMINA, [_debts(3)], seen, TODAY, compares_bytes=True) == expected
        assert find_new(LUMINA, [_debts(3)], seen, TODAY) == []

    @pytest.mark.parametrize("seconds", [-86400, 1])
    def test_it_is_read_again_for_a_week_and_no_longer(self, seconds):
        """The clock of its server may be ahead for ever: today's file would never have its turn."""
        received_at = WRITTEN.replace(tzinfo=None) + timedelta(seconds=seconds)
        seen = {("invoices", _debts(3).name): _seen(received_at=received_at)}
        read_again = [
            find_new(LUMINA, [_debts(3)], seen, TODAY + timedelta(days=days), compares_bytes=True)
            for days in (0, 6, 7)
        ]
        expected = [Arrival("invoices", TODAY, _debts(3))]
        assert read_again == [expected, expected, []]

    @pytest.mark.parametrize(("days", "is_found"), [(0, True), (6, True), (7, False)])
    def test_a_name_with_a_day_of_no_calendar_is_as_old_as_its_receipt(self, days, is_found):
        remote = _remote("2026-02-30_toku_invoices.csv", modified_at=None)
        received_at = datetime.combine(TODAY, time())
        seen = {("invoices", remote.name): _seen(received_at=received_at)}
        day = TODAY + timedelta(days=days)
        expected = [Arrival("invoices", day, remote, "invalid_file_date")] * is_found
        assert find_new(LUMINA, [remote], seen, day, compares_bytes=True) == expected


class TestLooking:
    """One look into a real inbox."""

    @pytest.fixture
    def organization(self, make_organization) -> Organization:
        return make_organization()

    @pytest.fixture
    def inbox(self, sftp_server, organization) -> Path:
        return sftp_server.root / organization.inbox_dir

    @pytest.fixture
    def environment(self, sftp_server) -> dict[str, str]:
        return sftp_server.environment(["lumina", "andes_seguros"])

    def _put(self, inbox: Path, name: str, content: bytes = b"x") -> None:
        (inbox / name).write_bytes(content)
        os.utime(inbox / name, (WRITTEN.timestamp(), WRITTEN.timestamp()))

    def _landed(self, organization: Organization, name: str, **changes: object) -> LandedFile:
        file = LandedFile(
            organization_id=organization.organization_id,
            kind="invoices",
            file_name=name,
            business_date=TODAY,
            sha256=SHA256,
            byte_count=1,
            modified_at=WRITTEN.replace(tzinfo=None),
            received_at=RECEIVED,
            update_mode="replace",
            customer_id_scheme="rut",
            currency="CLP",
            delimiter=",",
            date_format="YYYY-MM-DD",
            decimal_separator=".",
            max_withdrawal_share="0.5",
            max_rejected_share="0.2",
        )
        return dataclasses.replace(file, **changes)

    def _landed_names(self, home: Home) -> list[str]:
        return sorted(
            str(path.relative_to(home.landing))
            for path in home.landing.rglob("*")
            if path.is_file()
        )

    def test_what_is_new_is_landed_with_the_contract_that_it_is_read_by(
        self, home, organization, inbox, environment
    ):
        payments = _payments(2).name
        self._put(inbox, _debts(3).name)
        self._put(inbox, payments, b"other")
        other = hashlib.sha256(b"other").hexdigest()
        look, files = look_into(home, organization, {}, TODAY, environment, _clock)
        assert look == Look("lumina", "looked", files_seen=2, files_taken=2)
        assert files == [
            self._landed(organization, _debts(3).name),
            self._landed(
                organization,
                payments,
                kind="payments",
                business_date=date(2026, 3, 2),
                sha256=other,
                byte_count=5,
            ),
        ]
        assert self._landed_names(home) == sorted([f"lumina/{SHA256}", f"lumina/{other}"])
        assert store.file_path(home, "lumina", other).read_bytes() == b"other"

    @pytest.mark.parametrize(("days", "is_found"), [(0, True), (6, True), (7, False)])
    @pytest.mark.parametrize("content", [b"x", b"y"])
    def test_what_a_clock_that_is_ahead_has_dated_is_received_again_for_a_week(
        self, home, organization, inbox, environment, monkeypatch, days, is_found, content
    ):
        self._put(inbox, _debts(3).name, content)
        received_at = RECEIVED - timedelta(days=1)
        seen = {("invoices", _debts(3).name): _seen(received_at=received_at)}
        download, received = Client.download, []

        def count(client, folder, file, *rest):
            received.append(file.name)
            return download(client, folder, file, *rest)

        monkeypatch.setattr(Client, "download", count)
        day = TODAY + timedelta(days=days)
        look, files = look_into(home, organization, seen, day, environment, _clock)
        assert received == [_debts(3).name] * is_found
        is_other = is_found and content != b"x"
        assert [file.sha256 for file in files] == [hashlib.sha256(content).hexdigest()] * is_other
        assert (look.outcome, look.files_waiting) == ("looked", 0)

    @pytest.mark.parametrize(
        "odd", ["..", "..\n", " ; rm -rf *", "'; drop table raw.loads; --", "\\..\\..\\x", "ñ😀"]
    )
    def test_no_part_of_a_remote_name_is_in_a_local_path(
        self, home, make_organization, sftp_server, environment, odd
    ):
        organization = make_organization(invoices_pattern="*YYYY-MM-DD*")
        name = f"{odd}2026-03-03{odd}"
        self._put(sftp_server.root / organization.inbox_dir, name)
        look, files = look_into(home, organization, {}, TODAY, environment, _clock)
        assert look == Look("lumina", "looked", files_seen=1, files_taken=1)
        assert files == [self._landed(organization, name)]
        assert self._landed_names(home) == [f"lumina/{SHA256}"]

    def test_a_file_dated_far_ahead_is_told_where_that_of_the_date_is_not(
        self, home, organization, inbox, environment
    ):
        """R18: day and month may have changed places."""
        ahead = "2026-09-03_toku_invoices.csv"
        self._put(inbox, ahead)
        self._put(inbox, _debts(10).name)
        look, files = look_into(home, organization, {}, TODAY, environment, _clock)
        assert (look.outcome, files) == ("dated_ahead", [])
        assert look.detail == (
            f"{ahead}: named for a later date, and there is no file of 2026-03-03:"
            " have it renamed if it is that one"
        )
        was_there = {("invoices", _debts(3).name): _seen()}
        look, _ = look_into(home, organization, was_there, TODAY, environment, _clock)
        assert look.outcome == "looked"
        self._put(inbox, _debts(3).name)
        look, files = look_into(home, organization, {}, TODAY, environment, _clock)
        assert (look.outcome, [file.file_name for file in files]) == ("looked", [_debts(3).name])

    def test_bytes_that_turn_out_the_same_are_no_new_file(
        self, home, organization, inbox, environment
    ):
        name = _debts(3).name
        self._put(inbox, name)
        racy = {("invoices", name): _seen(received_at=WRITTEN.replace(tzinfo=None))}
        assert look_into(home, organization, racy, TODAY, environment, _clock) == (
            Look("lumina", "looked", files_seen=1, files_taken=0),
            [],
        )

    def test_a_debts_file_that_turns_out_the_same_does_not_keep_back_the_next(
        self, home, organization, inbox, environment
    ):
        self._put(inbox, _debts(2).name)
        self._put(inbox, _debts(3).name, b"next")
        racy = {("invoices", _debts(2).name): _seen(received_at=WRITTEN.replace(tzinfo=None))}
        look, files = look_into(home, organization, racy, TODAY, environment, _clock)
        assert look == Look("lumina", "looked", files_seen=2, files_taken=1)
        assert [file.file_name for file in files] == [_debts(3).name]

    def test_bytes_that_were_erased_since_they_were_received_do_not_stay(
        self, home, organization, inbox, environment
    ):
        self._put(inbox, _debts(2).name)
        racy = {("invoices", _debts(2).name): _seen(received_at=WRITTEN.replace(tzinfo=None))}
        look, files = look_into(home, organization, racy, TODAY, environment, _clock)
        assert (look.outcome, files) == ("looked", [])
        assert list((home.landing / "lumina").iterdir()) == []

    def test_a_debts_file_that_is_gone_again_does_not_keep_back_the_next(
        self, home, organization, inbox, environment, monkeypatch
    ):
        for day in (1, 2, 3):
            self._put(inbox, _debts(day).name)
        look_at_folder = Client.look

        def look_then_lose(client: Client, folder: str) -> Listing:
            listing = look_at_folder(client, folder)
            (inbox / _debts(1).name).unlink()
            return listing

        monkeypatch.setattr(Client, "look", look_then_lose)
        look, files = look_into(home, organization, {}, TODAY, environment, _clock)
        waits = (
            f"{_debts(3).name}: an older debts file goes first, and the next load takes this one"
        )
        assert look == Look("lumina", "looked", waits, files_seen=3, files_taken=1, files_waiting=1)
        assert [file.file_name for file in files] == [_debts(2).name]

    def test_other_bytes_of_the_same_size_and_second_are_a_new_file(
        self, home, organization, inbox, environment
    ):
        name = _debts(3).name
        self._put(inbox, name, b"y")
        racy = {("invoices", name): _seen(received_at=WRITTEN.replace(tzinfo=None))}
        look, files = look_into(home, organization, racy, TODAY, environment, _clock)
        assert look == Look("lumina", "looked", files_seen=1, files_taken=1)
        sha256 = hashlib.sha256(b"y").hexdigest()
        assert files == [self._landed(organization, name, sha256=sha256)]

    def test_a_file_that_grows_stays_and_the_others_are_taken(
        self, home, organization, inbox, environment
    ):
        self._put(inbox, _payments(2).name)
        self._put(inbox, _payments(3).name)

        def clock() -> datetime:
            # Asked when the first file is in: meanwhile the second grows.
            (inbox / _payments(3).name).write_bytes(b"xx")
            return _clock()

        look, files = look_into(home, organization, {}, TODAY, environment, clock)
        told = f"the file changed while it was read: {WHAT_TO_DO['still_growing']}"
        assert look == Look("lumina", "still_growing", told, files_seen=2, files_taken=1)
        assert [file.file_name for file in files] == [_payments(2).name]
        assert self._landed_names(home) == [f"lumina/{SHA256}"]

    def test_a_file_that_is_gone_again_stops_no_other(self, home, organization, inbox, environment):
        for day in (1, 2, 3):
            self._put(inbox, _payments(day).name)

        def clock() -> datetime:
            (inbox / _payments(2).name).unlink(missing_ok=True)
            return _clock()

        look, files = look_into(home, organization, {}, TODAY, environment, clock)
        assert look == Look("lumina", "looked", files_seen=3, files_taken=2)
        assert [file.file_name for file in files] == [_payments(1).name, _payments(3).name]

    def test_a_missing_folder_is_the_outcome(self, home, make_organization, environment):
        organization = make_organization(inbox_dir="nowhere")
        assert look_into(home, organization, {}, TODAY, environment, _clock) == (
            Look(
                "lumina",
                "no_folder",
                f"listing nowhere: no such file or folder: {WHAT_TO_DO['no_folder']}",
            ),
            [],
        )

    def test_a_server_that_is_down_stops_no_other_organization(
        self, home, make_organization, sftp_server, environment
    ):
        andes = make_organization("andes_seguros")
        self._put(sftp_server.root / andes.inbox_dir, _debts(3).name)
        without_secret = make_organization("colegio_pehuen")
        with socket.socket() as taken, warehouse.connect(home) as connection:
            taken.bind((HOST, 0))
            lumina = make_organization(sftp_port=taken.getsockname()[1])
            organizations = [lumina, without_secret, andes]
            manifest = _take(connection, home, organizations, environment)
        assert manifest.looks == (
            Look(
                "lumina",
                "unreachable",
                f"nothing answers at the server's address: {WHAT_TO_DO['unreachable']}",
            ),
            Look(
                "colegio_pehuen",
                "no_credentials",
                "set SFTP_PASSWORD_COLEGIO_PEHUEN or SFTP_PRIVATE_KEY_FILE_COLEGIO_PEHUEN",
            ),
            Look("andes_seguros", "looked", files_seen=1, files_taken=1),
        )
        assert [(file.organization_id, file.file_name) for file in manifest.files] == [
            ("andes_seguros", _debts(3).name)
        ]
        assert manifests.read_manifest(home, 1) == manifest

    def test_an_organization_before_its_cut_off_is_not_looked_at(
        self, home, organization, environment
    ):
        with warehouse.connect(home) as connection:
            manifest = take(
                connection,
                home,
                store.keep_contracts(home),
                [organization],
                TODAY,
                environment,
                lambda: datetime(2026, 3, 3, 7, 59, 59, tzinfo=UTC),
            )
        assert (manifest.looks, manifest.files) == ((), ())


def test_of_several_receipts_of_a_name_the_newest_counts(home, make_organization, sftp_server):
    """The warehouse is asked; a file as it was last received is not taken again."""
    organization = make_organization()
    path = sftp_server.root / organization.inbox_dir / _debts(3).name
    path.write_bytes(b"x")
    os.utime(path, (WRITTEN.timestamp(), WRITTEN.timestamp()))
    with warehouse.connect(home) as connection:
        for load_id, byte_count in ((2, 1), (1, 7)):
            _note_receipt(connection, load_id, path.name, byte_count)
        environment = sftp_server.environment(["lumina"])
        manifest = _take(connection, home, [organization], environment)
    assert manifest.looks == (Look("lumina", "looked", files_seen=1, files_taken=0),)


def test_a_file_of_ours_that_comes_back_is_known_by_its_bytes(home, make_organization, sftp_server):
    """R11: whatever its name, and to whomever it was sent."""
    organization = make_organization()
    inbox = sftp_server.root / organization.inbox_dir
    contents = {
        _payments(1).name: b"ours\n",
        _payments(2).name: b"theirs",
        _payments(3).name: codecs.BOM_UTF8 + b"ours\r\n",
        _debts(3).name: b"failed",
    }
    for name, content in contents.items():
        (inbox / name).write_bytes(content)
        os.utime(inbox / name, (WRITTEN.timestamp(), WRITTEN.timestamp()))
    with warehouse.connect(home) as connection:
        for content, outcome in (
            (b"ours\n", "delivered"),
            (b"failed", "timed_out"),
            (b"x", "gone"),
        ):
            connection.execute(
                "insert into raw.deliveries by name select 1 as batch_id, 'andes' as"
                " organization_id, current_date as business_date, 'payments_file' as kind,"
                " '1' as file_name, 1 as load_id, ? as sha256, 4 as byte_count,"
                " localtimestamp as attempted_at, ? as outcome, false as is_in_doubt",
                [hashlib.sha256(content).hexdigest(), outcome],
            )
        manifest = _take(connection, home, [organization], sftp_server.environment(["lumina"]))
    assert {file.file_name: file.file_code for file in manifest.files} == {
        _payments(1).name: "sent_by_us",
        _payments(2).name: None,
        _payments(3).name: "sent_by_us",
        _debts(3).name: "sent_by_us",
    }


def _take(connection, home, organizations, environment) -> manifests.Manifest:
    contracts = store.keep_contracts(home)
    return take(connection, home, contracts, organizations, TODAY, environment, _clock)


def _note_receipt(
    connection: duckdb.DuckDBPyConnection, load_id: int, name: str, byte_count: int
) -> None:
    values = {
        "load_id": load_id,
        "file_id": f"file-{load_id}",
        "organization_id": "lumina",
        "kind": "invoices",
        "file_name": name,
        "business_date": TODAY,
        "sha256": hashlib.sha256(b"x" * byte_count).hexdigest(),
        "byte_count": byte_count,
        "modified_at": WRITTEN.replace(tzinfo=None),
        "received_at": RECEIVED,
        "update_mode": "replace",
        "customer_id_scheme": "rut",
        "currency": "CLP",
        "date_format": "YYYY-MM-DD",
        "decimal_separator": ".",
        "max_withdrawal_share": "0.5",
        "max_rejected_share": "0.2",
        "record_count": 1,
    }
    places = ", ".join("?" for _ in values)
    connection.execute(
        f"insert into raw.intake_files ({', '.join(values)}) values ({places})",
        list(values.values()),
    )


def test_a_load_is_made_by_the_contracts_that_it_began_with(tmp_path):
    """R11, R29: whatever is done to them before it ends; a wrong one stops only what is new."""
    home = Home(tmp_path / "home", tmp_path / "seeds")
    shutil.copytree(PROJECT / "seeds", home.seeds)
    home.create()
    path = home.seeds / "payment_statuses.csv"
    good = path.read_text()

    def saved_wrongly_meanwhile() -> datetime:
        path.write_text(f"{good}Aprobada,authorized\n")
        return _clock()

    with warehouse.connect(home) as connection:
        carried = loads.carry_next(connection, home, TODAY, {}, saved_wrongly_meanwhile)
        assert {look.outcome for look in carried.manifest.looks} == {"no_credentials"}
        warehouse.finish_load(connection, 1)
        with pytest.raises(ContractError, match=r"payment_statuses\.csv.*Aprobada"):
            loads.carry_next(connection, home, TODAY, {}, _clock)
        path.write_text(good)
        assert loads.carry_next(connection, home, TODAY, {}, _clock).manifest.load_id == 2


def test_the_instants_of_loads_grow_though_the_clock_is_set_back(home):
    """R10: two loads at one instant, or in another order, would spoil every history."""
    set_back = [_clock() - timedelta(hours=shift) for shift in (0, 0, 3, -1)]
    with warehouse.connect(home) as connection:
        instants = []
        for now in set_back:
            carried = loads.carry_next(connection, home, TODAY, {}, lambda now=now: now)
            warehouse.finish_load(connection, carried.manifest.load_id)
            instants.append(carried.manifest.loaded_at)
    step = timedelta(microseconds=1)
    assert instants == [
        RECEIVED,
        RECEIVED + step,
        RECEIVED + 2 * step,
        RECEIVED + timedelta(hours=1),
    ]


def test_a_load_that_is_replayed_is_read_by_its_own_copy_of_the_contracts(tmp_path):
    """R11: what the seeds say by then is not asked."""
    home = Home(tmp_path / "home", tmp_path / "seeds")
    shutil.copytree(PROJECT / "seeds", home.seeds)
    home.create()
    tables = [f"raw.contract_{name}" for name in ("organizations", "channels", "statuses")]

    def carry() -> list[object]:
        with warehouse.connect(home) as connection:
            loads.carry_next(connection, home, TODAY, {}, _clock)
            queries = [f"from {table} order by all" for table in (*tables, "raw.inbox_looks")]
            return [connection.execute(query).fetchall() for query in queries]

    former = carry()
    for name, was, becomes in (
        ("organizations.csv", "America/Punta_Arenas", "America/Lima"),
        ("payment_channels.csv", "webpay", "webpay_plus"),
        ("payment_statuses.csv", "authorized", "rejected"),
    ):
        path = home.seeds / name
        text = path.read_text()
        assert was in text
        path.write_text(text.replace(was, becomes))
    home.warehouse.unlink()
    assert carry() == former
