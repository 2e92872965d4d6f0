"""What waits between the cut-offs is found without the warehouse, and is a reason to run once."""

from __future__ import annotations

import dataclasses
import os
from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest

from orchestration.installation import warehouse
from orchestration.intake import arrivals
from orchestration.intake.arrivals import (
    Asked,
    Memory,
    consider_events,
    consider_inboxes,
    consider_spools,
    next_turn,
)
from orchestration.intake.timing import newest_due_date
from orchestration.landing import manifests
from orchestration.landing.manifests import LandedFile, Manifest

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)


class TestInboxes:
    """New files, once they have settled."""

    def test_new_files_count_once_two_looks_found_them_the_same(self):
        memory, reasons = consider_inboxes({}, {"lumina": "a"}, NOW)
        assert reasons == []
        memory, reasons = consider_inboxes(memory, {"lumina": "b"}, NOW)
        assert (memory, reasons) == ({"lumina": Asked("b")}, [])
        memory, reasons = consider_inboxes(memory, {"lumina": "b"}, NOW)
        assert (memory, reasons) == ({"lumina": Asked("b", NOW.isoformat())}, ["lumina"])

    def test_the_same_files_are_a_reason_again_after_an_hour_and_not_before(self):
        memory = {"lumina": Asked("a", NOW.isoformat())}
        soon = LATER - timedelta(seconds=1)
        assert consider_inboxes(memory, {"lumina": "a"}, soon) == (memory, [])
        assert consider_inboxes(memory, {"lumina": "a"}, LATER)[1] == ["lumina"]

    def test_an_inbox_without_new_files_is_forgotten(self):
        memory = {"lumina": Asked("a", NOW.isoformat())}
        assert consider_inboxes(memory, {"lumina": None}, LATER) == ({}, [])

    def test_an_inbox_that_was_not_read_stays_as_it_is_remembered(self):
        memory = {"lumina": Asked("a"), "norte": Asked("n")}
        kept, reasons = consider_inboxes(memory, {"lumina": "a"}, NOW)
        assert reasons == ["lumina"]
        assert kept["norte"] == Asked("n")

    def test_the_organizations_take_turns(self, make_organization):
        contract = make_organization()
        organizations = [
            dataclasses.replace(contract, organization_id=name) for name in ("c", "a", "b")
        ]
        turns, after = [], ""
        for _ in range(3):
            turn = [each.organization_id for each in next_turn(organizations, after, 2)]
            turns.append(turn)
            after = turn[-1]
        assert turns == [["a", "b"], ["c", "a"], ["b", "c"]]


class TestSpoolsAndEvents:
    """Requests count at once, events every quarter of an hour."""

    def test_a_request_is_a_reason_at_once_and_only_once(self):
        memory, is_reason = consider_spools(None, "a", NOW)
        assert is_reason
        assert consider_spools(memory, "a", NOW + timedelta(minutes=59)) == (memory, False)
        assert consider_spools(memory, "b", NOW)[1]
        assert consider_spools(memory, "a", LATER)[1]
        assert consider_spools(memory, None, NOW) == (None, False)

    def test_events_are_a_reason_at_most_every_quarter_of_an_hour(self):
        memory, is_reason = consider_events(None, "a", NOW)
        assert is_reason
        quarter = NOW + timedelta(minutes=15)
        assert consider_events(memory, "b", quarter - timedelta(seconds=1)) == (memory, False)
        assert consider_events(memory, None, quarter) == (memory, False)
        assert consider_events(memory, "b", quarter) == (Asked("b", quarter.isoformat()), True)


@pytest.mark.parametrize(
    "memory",
    [
        Memory(),
        Memory("lumina", {"norte": Asked("a"), "sur": Asked("b", NOW.isoformat())}),
        Memory("", {}, Asked("c", NOW.isoformat()), Asked("d", NOW.isoformat())),
    ],
)
def test_what_is_remembered_reads_back_as_it_was_written(memory):
    assert Memory.from_json(memory.to_json()) == memory


class TestLooking:
    """Over a real server, beside a run that holds the warehouse."""

    @pytest.fixture
    def lumina(self, make_organization):
        return make_organization("lumina")

    @pytest.fixture
    def inbox(self, sftp_server, lumina):
        return sftp_server.root / lumina.inbox_dir

    @pytest.fixture
    def look(self, home, lumina, sftp_server):
        environment = sftp_server.environment(["lumina"])

        def look(memory: Memory) -> tuple[Memory, list[date]]:
            return arrivals.look(home, [lumina], memory, environment, NOW)

        return look

    def test_a_late_file_asks_for_the_newest_date_whose_cut_off_has_passed(
        self, home, lumina, inbox, look
    ):
        (inbox / "2026-02-27_toku_invoices.csv").write_bytes(b"late")
        (inbox / "2026-03-03_toku_invoices.csv").write_bytes(b"tomorrow's")
        with warehouse.connect(home):
            memory, dates = look(Memory())
            assert dates == []
            memory, dates = look(memory)
        assert dates == [date(2026, 3, 2)] == [newest_due_date(lumina, NOW)]
        assert look(memory)[1] == []
        assert "toku" not in memory.to_json()

    def test_a_file_that_still_grows_is_left_to_settle(self, inbox, look):
        memory = Memory()
        for size in range(1, 4):
            (inbox / "2026-03-02_toku_invoices.csv").write_bytes(b"x" * size)
            memory, dates = look(memory)
            assert dates == []
        assert look(memory)[1] == [date(2026, 3, 2)]

    def test_a_file_that_a_manifest_names_is_not_new_and_its_correction_is(self, home, inbox, look):
        path = inbox / "2026-03-02_toku_invoices.csv"
        path.write_bytes(b"first")
        self._note_receipt(home, path)
        memory, _ = look(Memory())
        assert look(memory)[1] == []
        path.write_bytes(b"corrected")
        memory, _ = look(memory)
        assert look(memory)[1] == [date(2026, 3, 2)]

    def test_a_file_of_long_ago_is_known_from_the_published_copy(self, home, inbox, look):
        path = inbox / "2026-01-05_toku_invoices.csv"
        path.write_bytes(b"old")
        modified_at = datetime.fromtimestamp(int(path.stat().st_mtime), UTC).replace(tzinfo=None)
        with duckdb.connect(str(home.analytics)) as connection:
            connection.execute(
                """
                create table intake_files as
                select
                    'lumina' as organization_id, 'invoices' as kind, ? as file_name,
                    3 as byte_count, '00' as sha256, ?::timestamp as modified_at,
                    timestamp '2026-01-05 08:00' as received_at, 1 as load_id
                """,
                [path.name, modified_at],
            )
        memory, _ = look(Memory())
        assert look(memory)[1] == []

    def test_requests_in_the_spools_ask_at_once(self, home, look):
        for name in arrivals.SPOOLS:
            (home.root / name).mkdir(exist_ok=True)
            (home.root / name / ".half-written.part").touch()
            memory, dates = look(Memory())
            assert dates == []
            (home.root / name / "request.json").write_text("{}")
            memory, dates = look(memory)
            assert dates == [date(2026, 3, 2)]
            assert look(memory)[1] == []
            (home.root / name / "request.json").unlink()

    def test_events_count_that_came_after_the_newest_load(self, home, look):
        events = home.events / "today.jsonl"
        events.write_text("{}\n")
        assert look(Memory())[1] == []
        manifests.write_manifest(home, Manifest(1, datetime(2126, 3, 2, 8), date(2026, 3, 2)))
        before, after = (datetime(2126, 3, 2, hour, tzinfo=UTC).timestamp() for hour in (7, 9))
        os.utime(events, (before, before))
        assert look(Memory())[1] == []
        os.utime(events, (after, after))
        assert look(Memory())[1] == [date(2026, 3, 2)]

    def test_events_count_that_were_moved_here_since_with_the_time_of_their_bytes(self, home, look):
        manifests.write_manifest(home, Manifest(1, datetime(2026, 3, 2, 8), date(2026, 3, 2)))
        events = home.events / "today.jsonl"
        events.write_text("{}\n")
        before = datetime(2026, 3, 2, 7, tzinfo=UTC).timestamp()
        os.utime(events, (before, before))
        assert look(Memory())[1] == [date(2026, 3, 2)]

    def test_events_count_though_operators_decided_since(self, home, look):
        events = home.events / "today.jsonl"
        events.write_text("{}\n")
        manifests.write_manifest(home, Manifest(1, datetime(2026, 3, 2, 8), date(2026, 3, 2)))
        decisions = (manifests.Decision("f1", "approved", datetime(2026, 3, 2, 10)),)
        decided = Manifest(2, datetime(2026, 3, 2, 10), date(2026, 3, 2), "", decisions=decisions)
        manifests.write_manifest(home, decided)
        after = datetime(2026, 3, 2, 9, tzinfo=UTC).timestamp()
        os.utime(events, (after, after))
        assert look(Memory())[1] == [date(2026, 3, 2)]

    def test_a_server_that_is_down_is_no_reason_and_no_error(self, home, lumina, sftp_server):
        gone = dataclasses.replace(lumina, sftp_port=9)
        environment = sftp_server.environment(["lumina"])
        memory = Memory(inboxes={"lumina": Asked("a")})
        found, dates = arrivals.look(home, [gone], memory, environment, NOW)
        assert (found.inboxes, dates) == (memory.inboxes, [])

    @staticmethod
    def _note_receipt(home, path) -> None:
        stat = path.stat()
        file = LandedFile(
            organization_id="lumina",
            kind="invoices",
            file_name=path.name,
            business_date=date(2026, 3, 2),
            sha256="ab" * 32,
            byte_count=stat.st_size,
            modified_at=datetime.fromtimestamp(int(stat.st_mtime), UTC).replace(tzinfo=None),
            received_at=datetime(2026, 3, 2, 8),
            update_mode="replace",
            customer_id_scheme="rut",
            currency="CLP",
            delimiter=",",
            date_format="YYYY-MM-DD",
            decimal_separator=".",
            max_withdrawal_share="0.5",
            max_rejected_share="0.2",
        )
        manifest = Manifest(1, datetime(2026, 3, 2, 8), date(2026, 3, 2), files=(file,))
        manifests.write_manifest(home, manifest)
