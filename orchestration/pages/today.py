"""The first page: what each organization needs this morning, the worst first, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestration.contracts.organizations import FIRST_DATE
from orchestration.installation.clock import utc_now
from orchestration.intake import timing
from orchestration.pages.drawings import draw_all_bases
from orchestration.pages.languages import marked as _
from orchestration.pages.languages import translate
from orchestration.pages.page import Page, home_of, render, writing_of
from orchestration.pages.published import Reader, opened
from orchestration.pages.queries import days
from orchestration.pages.queries.days import Base, Day

_PATH = "/today"

# What a person has refused needs nobody any more.
_BY_OPERATOR = "refused_by_operator"
# What the day of an organization can need, the worst first.
_KINDS = (
    "missing",
    "held",
    "refused",
    "other_refused",
    "near_miss",
    "not_read",
    "not_delivered",
    "left_to_people",
    "too_long",
    "exceptions",
    "waiting",
    "not_looked",
    "not_yet",
)


@dataclass(frozen=True)
class Need:
    """Something that an organization's day needs a person for.

    Args:
        kind: one of _KINDS; `not_run`, `refused_events`, `payments_without_contract` and
            `unknown_statuses` are of no organization's day.
        count: of how many files, payments, exceptions, lines of events or dates.
        code: why, as a code.
        message: the same in words.
        since: since when the oldest waits (UTC).
        age: for how many days it has been waiting.
        address: the page on which something can be done.
        command: the command that does something.

    """

    kind: str
    count: int = 1
    code: str | None = None
    message: str | None = None
    since: datetime | None = None
    age: int | None = None
    address: str | None = None
    command: str | None = None

    @property
    def file_names(self) -> str:
        """The names of near misses, with which their message begins; empty if it names none."""
        return self.message.partition(": ")[0] if self.message else ""


@dataclass(frozen=True)
class _Cutoff:
    """When an organization's debts file is due, by its own clocks."""

    cutoff_time: time
    time_zone: ZoneInfo

    def at(self, business_date: date) -> datetime:
        """The cut-off of a date (UTC)."""
        return datetime.combine(business_date, self.cutoff_time, self.time_zone).astimezone(UTC)


@dataclass(frozen=True)
class Line:
    """An organization, what it needs and how its base went."""

    day: Day
    needs: tuple[Need, ...]
    base: tuple[int, ...]

    @property
    def rank(self) -> int:
        """The place of its worst need; behind all others if there is none."""
        return min((_KINDS.index(need.kind) for need in self.needs), default=len(_KINDS))


def show(request: Request) -> Response:
    """The newest date, or the one in the address."""
    asked = _read_date(request)
    with opened(home_of(request)) as reader:
        dates = days.read_dates(reader, asked)
        business_date = asked or dates.newest
        if business_date is None:
            return render(request, "nothing_yet.html", has_landed=False, holder=None)
        bases = days.read_bases(reader, business_date)
        lines = read_lines(reader, business_date, bases)
        common = find_common_needs(reader, business_date)
        published_at = reader.read_published_at()
    if business_date == dates.newest:
        common = (
            *find_dates_not_run([line.day for line in lines], business_date, utc_now()),
            *common,
        )
    return render(
        request,
        "today.html",
        business_date=business_date,
        published_at=published_at,
        dates=dates,
        common=common,
        lines=lines,
        bases=draw_all_bases(writing_of(request), bases),
    )


def read_lines(reader: Reader, business_date: date, bases: Sequence[Base]) -> list[Line]:
    """What each organization needs for a date, the worst first.

    Args:
        reader: the published copy.
        business_date: the date.
        bases: of all organizations, by date.

    """
    base_of = count_bases(bases)
    newest = days.read_dates(reader, business_date).newest or business_date
    now = utc_now()
    lines = (
        Line(day, find_needs(day, business_date, newest, now), base_of.get(day.organization_id, ()))
        for day in days.list_days(reader, business_date)
    )
    return sorted(lines, key=lambda line: line.rank)


def find_common_needs(reader: Reader, business_date: date) -> tuple[Need, ...]:
    """What a date needs a person for that is of no organization's day.

    Payments without a contract are told until it is there: their money is in no file. Unknown
    statuses are told until they are listed: their events do not count.

    Args:
        reader: the published copy.
        business_date: the date.

    """
    counts = {
        "refused_events": days.count_refused_event_lines(reader, business_date),
        "payments_without_contract": days.count_payments_without_contract(reader, business_date),
        "unknown_statuses": days.count_unknown_statuses(reader, business_date),
    }
    return tuple(Need(kind, count) for kind, count in counts.items() if count)


def find_dates_not_run(listed: Sequence[Day], newest: date, now: datetime) -> tuple[Need, ...]:
    """What the newest date that was run needs a person for if later ones are due, the next first.

    Args:
        listed: the day of each organization.
        newest: that date.
        now: an instant with a time zone.

    """
    due = max((timing.newest_due_date(_cutoff_of(day), now) for day in listed), default=newest)
    if due <= newest:
        return ()
    command = f"python -m orchestration run --date {newest + timedelta(days=1)}"
    return (Need("not_run", (due - newest).days, command=command),)


def find_needs(day: Day, business_date: date, newest: date, now: datetime) -> tuple[Need, ...]:
    """What the day of an organization needs a person for, the worst first.

    Args:
        day: of the organization.
        business_date: of the day.
        newest: the newest date that was run: its run delivers what is left of any date.
        now: an instant with a time zone: before its cut-off nobody looks into an inbox.

    """
    organization_id = day.organization_id
    check = f"python -m orchestration check {organization_id}"
    run = "python -m orchestration run --date"
    page = f"/organizations/{organization_id}"
    needs = []
    cutoff = _cutoff_of(day).at(business_date)
    if day.status == "missing" and not _is_past(cutoff, day.looked_at):
        needs.append(Need("not_yet", command=f"{run} {business_date}"))
    elif day.status == "missing":
        needs.append(Need("missing", address=page, command=check))
    if day.status == "waiting":
        needs.append(Need("waiting", command=f"{run} {business_date}"))
    if day.held_count:
        address = f"/files/{day.oldest_held_file_id}"
        needs.append(Need("held", day.held_count, address=address))
    if day.status == "refused" and day.code != _BY_OPERATOR:
        needs.append(Need("refused", code=day.code, address=f"/files/{day.file_id}"))
    if day.other_refused_count:
        is_one = day.other_refused_count == 1
        needs.append(
            Need(
                "other_refused",
                day.other_refused_count,
                code=day.other_refused_code,
                address=f"/files/{day.other_refused_file_id}"
                if is_one
                else f"/files?organization={organization_id}",
            )
        )
    if day.inbox_code is not None:
        kind = "near_miss" if day.is_near_miss else "not_read"
        needs.append(Need(kind, 1, day.inbox_code, day.inbox_message, command=check))
    if day.undelivered_count:
        needs.append(Need("not_delivered", day.undelivered_count, command=f"{run} {newest}"))
    if day.left_to_people_count:
        command = f"python -m orchestration republish {organization_id} {day.left_to_people_on}"
        needs.append(Need("left_to_people", day.left_to_people_count, command=command))
    if day.overdue_payment_count:
        address = f"{page}#in-process"
        needs.append(Need("too_long", day.overdue_payment_count, address=address))
    if day.open_exception_count:
        needs.append(
            Need(
                "exceptions",
                day.open_exception_count,
                since=day.oldest_exception_at,
                age=_count_days(day.oldest_exception_at, business_date),
                address=f"{page}#exceptions",
            )
        )
    if day.status is None and now >= cutoff:
        needs.append(Need("not_looked", command=f"{run} {business_date}"))
    return tuple(needs)


def _cutoff_of(day: Day) -> _Cutoff:
    return _Cutoff(time.fromisoformat(day.cutoff_time), ZoneInfo(day.time_zone))


def _is_past(cutoff: datetime, looked_at: datetime | None) -> bool:
    """Whether the newest look was late enough to miss a file (R18)."""
    return looked_at is not None and looked_at.replace(tzinfo=UTC) >= cutoff


def _count_days(since: datetime | None, business_date: date) -> int | None:
    return None if since is None else max((business_date - since.date()).days, 0)


def _read_date(request: Request) -> date | None:
    text = request.query_params.get("date", "")
    if not text:
        return None
    try:
        asked = date.fromisoformat(text)
    except ValueError:
        raise HTTPException(400, _("That is no date; one is 2026-03-02.")) from None
    first, last = FIRST_DATE, timing.last_date()
    if not first <= asked <= last:
        told = translate(request, _("No run has that date; the dates are %(first)s to %(last)s."))
        raise HTTPException(400, told % {"first": first, "last": last})
    return asked


def count_bases(bases: Sequence[Base]) -> dict[str, tuple[int, ...]]:
    """By organization, how many debts were in its base, in the order of the dates.

    Args:
        bases: of all organizations, by date.

    """
    counts: dict[str, tuple[int, ...]] = {}
    for base in bases:
        count = base.pending_count + base.in_process_count
        counts[base.organization_id] = (*counts.get(base.organization_id, ()), count)
    return counts


PAGE = Page(title=_("Today"), path=_PATH, routes=(Route(_PATH, show, methods=["GET"]),))
