"""When to run: each organization's cut-off in its own time zone, what was missed, what may heal."""

from __future__ import annotations

import dataclasses
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from orchestration.contracts.organizations import Organization, read_organizations
from orchestration.defs.partitions import business_dates
from orchestration.delivery.attempts import is_delivery_due
from orchestration.installation.home import PROJECT
from orchestration.intake.timing import (
    LookMade,
    due_dates,
    looks_of,
    newest_due_date,
)
from orchestration.landing.manifests import Look, Manifest

SANTIAGO = ZoneInfo("America/Santiago")
MONDAY = date(2026, 3, 2)


def _organization(name: str = "lumina", zone: str = "America/Santiago", at: str = "05:00"):
    contract = read_organizations(PROJECT / "seeds")[0]
    return dataclasses.replace(
        contract,
        organization_id=name,
        time_zone=ZoneInfo(zone),
        cutoff_time=time.fromisoformat(at),
    )


def _look(day: date, outcome: str = "looked", name: str = "lumina", at: datetime | None = None):
    return LookMade(name, day, at or datetime.combine(day, time(8, 1)), outcome)


def _at(day: date, clock: str, zone: ZoneInfo = SANTIAGO) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), zone)


class TestCutOffs:
    """A business date is due from its cut-off until its inbox has been looked into."""

    def test_nothing_is_due_before_the_cut_off(self):
        looks = [_look(MONDAY - timedelta(days=1))]
        assert due_dates([_organization()], looks, _at(MONDAY, "04:59:59")) == []

    def test_the_date_is_due_from_the_minute_of_the_cut_off(self):
        looks = [_look(MONDAY - timedelta(days=1))]
        assert due_dates([_organization()], looks, _at(MONDAY, "05:00")) == [MONDAY]

    def test_a_date_that_has_been_looked_into_is_not_asked_for_again(self):
        assert due_dates([_organization()], [_look(MONDAY)], _at(MONDAY, "23:59")) == []

    def test_each_organization_has_its_cut_off_in_its_own_time_zone(self):
        santiago = _organization("lumina")
        mexico = _organization("norte", "America/Mexico_City", "06:30")
        former = MONDAY - timedelta(days=1)
        looks = [_look(former), _look(former, name="norte")]
        due_at = {
            instant: due_dates([santiago, mexico], looks, instant)
            for instant in (
                datetime(2026, 3, 2, 7, 59, tzinfo=UTC),
                datetime(2026, 3, 2, 8, 0, tzinfo=UTC),
                datetime(2026, 3, 2, 12, 30, tzinfo=UTC),
            )
        }
        assert list(due_at.values()) == [[], [MONDAY], [MONDAY]]
        looks.append(_look(MONDAY))
        assert due_dates([santiago, mexico], looks, datetime(2026, 3, 2, 12, 29, tzinfo=UTC)) == []
        assert due_dates([santiago, mexico], looks, datetime(2026, 3, 2, 12, 30, tzinfo=UTC)) == [
            MONDAY
        ]

    def test_east_of_where_business_dates_begin_a_cut_off_waits_for_its_date(self):
        tokyo = _organization(zone="Asia/Tokyo")
        five_there = _at(MONDAY, "05:00", ZoneInfo("Asia/Tokyo"))
        former = MONDAY - timedelta(days=1)
        assert due_dates([tokyo], [_look(former)], five_there) == []
        assert due_dates([tokyo], [_look(former)], _at(MONDAY, "00:00")) == [MONDAY]
        keys = business_dates.get_partition_keys(current_time=_at(MONDAY, "00:00"))
        assert keys[-1] == MONDAY.isoformat()
        assert newest_due_date(tokyo, five_there) == former

    def test_a_new_organization_begins_with_its_first_cut_off(self):
        assert due_dates([_organization()], [], _at(MONDAY, "04:00")) == []
        assert due_dates([_organization()], [], _at(MONDAY, "05:00")) == [MONDAY]

    def test_whatever_started_the_run_the_date_is_done(self):
        look = Look("lumina", "looked")
        manifest = Manifest(1, datetime(2026, 3, 2, 9), MONDAY, looks=(look,))
        assert due_dates([_organization()], looks_of([manifest]), _at(MONDAY, "10:00")) == []


class TestClockChanges:
    """Chile's clocks: back on 2026-04-05 at 00:00, forth on 2026-09-06 at 00:00."""

    @pytest.mark.parametrize(
        ("day", "first_utc"),
        [
            (date(2026, 4, 4), datetime(2026, 4, 4, 8, 0, tzinfo=UTC)),
            (date(2026, 4, 5), datetime(2026, 4, 5, 9, 0, tzinfo=UTC)),
            (date(2026, 9, 5), datetime(2026, 9, 5, 9, 0, tzinfo=UTC)),
            (date(2026, 9, 6), datetime(2026, 9, 6, 8, 0, tzinfo=UTC)),
        ],
    )
    def test_the_cut_off_stays_at_five_on_the_wall(self, day, first_utc):
        looks = [_look(day - timedelta(days=1))]
        minute = timedelta(minutes=1)
        assert due_dates([_organization()], looks, first_utc - minute) == []
        assert due_dates([_organization()], looks, first_utc) == [day]

    @pytest.mark.parametrize("at", ["00:00", "00:30", "23:30"])
    @pytest.mark.parametrize("change", [date(2026, 4, 5), date(2026, 9, 6)])
    def test_every_date_is_run_exactly_once_whatever_the_clocks_do(self, at, change):
        organization = _organization(at=at)
        now = datetime.combine(change - timedelta(days=2), time(12), UTC)
        looks = [_look(newest_due_date(organization, now))]
        asked = []
        for _ in range(5 * 24 * 12):
            now += timedelta(minutes=5)
            for day in due_dates([organization], looks, now):
                asked.append(day)
                looks.append(_look(day, at=now.replace(tzinfo=None)))
        first = looks[0].business_date
        assert asked == [first + timedelta(days=days + 1) for days in range(5)]


class TestMissedDates:
    """What a machine that was off has missed."""

    def test_missed_dates_come_oldest_first(self):
        days = [MONDAY + timedelta(days=days) for days in range(1, 4)]
        assert due_dates([_organization()], [_look(MONDAY)], _at(days[-1], "05:00")) == days

    def test_what_is_longer_ago_than_a_week_is_left_to_an_operator(self):
        now = _at(MONDAY + timedelta(days=30), "05:00")
        due = due_dates([_organization()], [_look(MONDAY)], now)
        assert due == [MONDAY + timedelta(days=days) for days in range(24, 31)]

    def test_a_backfill_of_an_old_date_does_not_make_newer_ones_due(self):
        looks = [_look(MONDAY), _look(MONDAY - timedelta(days=60), at=datetime(2026, 3, 2, 9))]
        assert due_dates([_organization()], looks, _at(MONDAY, "12:00")) == []


class TestLookingAgain:
    """Only what may heal by itself is tried again."""

    LOOKED_AT = datetime(2026, 3, 2, 8, 0)

    @pytest.mark.parametrize("outcome", ["unreachable", "timed_out", "connection_lost"])
    def test_an_inbox_that_could_not_be_reached_is_tried_again_after_ten_minutes(self, outcome):
        looks = [_look(MONDAY, outcome, at=self.LOOKED_AT)]
        assert due_dates([_organization()], looks, _at(MONDAY, "05:09")) == []
        assert due_dates([_organization()], looks, _at(MONDAY, "05:10")) == [MONDAY]

    @pytest.mark.parametrize(
        "outcome", ["login_refused", "host_key_changed", "no_folder", "no_credentials", "failed"]
    )
    def test_what_only_a_person_can_mend_is_not_tried_again(self, outcome):
        looks = [_look(MONDAY, outcome, at=self.LOOKED_AT)]
        assert due_dates([_organization()], looks, _at(MONDAY, "23:00")) == []

    def test_the_waits_grow_and_end_until_the_next_cut_off(self):
        looks, waits, now = [_look(MONDAY, "unreachable", at=self.LOOKED_AT)], [], self.LOOKED_AT
        last = now
        while now < datetime(2026, 3, 3, 7, 59):
            now += timedelta(minutes=1)
            if due_dates([_organization()], looks, now.replace(tzinfo=UTC)):
                looks.append(_look(MONDAY, "unreachable", at=now))
                waits.append(int((now - last).total_seconds() // 60))
                last = now
        assert waits == [10, 20, 40, 60, 60, 60]
        tuesday = MONDAY + timedelta(days=1)
        assert due_dates([_organization()], looks, _at(tuesday, "05:00")) == [tuesday]

    def test_a_success_ends_the_trying(self):
        looks = [_look(MONDAY, "timed_out"), _look(MONDAY)]
        assert due_dates([_organization()], looks, _at(MONDAY, "23:00")) == []

    @pytest.mark.parametrize(
        ("count", "minutes", "expected"), [(0, 60, False), (1, 29, False), (1, 30, True)]
    )
    def test_a_delivery_that_may_heal_is_tried_again_after_half_an_hour(
        self, count, minutes, expected
    ):
        attempted_at = datetime(2026, 3, 2, 9, tzinfo=UTC)
        now = attempted_at + timedelta(minutes=minutes)
        assert is_delivery_due(count, attempted_at, now) is expected


def test_a_thousand_organizations_are_asked_in_no_time():
    organizations: list[Organization] = [_organization(f"o{number}") for number in range(1000)]
    looks = [
        _look(MONDAY + timedelta(days=days), name=each.organization_id)
        for each in organizations
        for days in range(7)
    ]
    assert due_dates(organizations, looks, _at(MONDAY + timedelta(days=7), "05:00")) == [
        MONDAY + timedelta(days=7)
    ]
