"""What the first page says that a day needs, from one row of organization_days."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html import unescape

import pytest

from orchestration.contracts.organizations import read_organizations
from orchestration.installation.home import PROJECT
from orchestration.intake.recognizing import find_dated_ahead, find_misnamed
from orchestration.pages.page import environment
from orchestration.pages.queries.days import Base, Day
from orchestration.pages.today import Line, Need, count_bases, find_dates_not_run, find_needs
from orchestration.servers.remote_files import Listing, RemoteFile

TODAY, NEWEST = date(2026, 3, 3), date(2026, 3, 5)
NOW = datetime(2026, 3, 5, 12, tzinfo=UTC)
WELL = Day(
    organization_id="lumina",
    name="Lumina Energía",
    status="applied",
    file_id="f" * 16,
    code=None,
    other_refused_count=0,
    other_refused_file_id=None,
    other_refused_code=None,
    is_near_miss=False,
    inbox_code=None,
    inbox_message=None,
    held_count=0,
    oldest_held_file_id=None,
    undelivered_count=0,
    left_to_people_count=0,
    left_to_people_on=None,
    overdue_payment_count=0,
    open_exception_count=0,
    oldest_exception_at=None,
    record_count=3,
    rejected_count=0,
    pending_count=2,
    in_process_count=1,
    base_amount=Decimal(1000),
    currency="CLP",
    told_line_count=1,
    # one hour after the cut-off of five in the morning in Santiago
    looked_at=datetime(2026, 3, 3, 9),
    cutoff_time="05:00",
    time_zone="America/Santiago",
)
CHECK = "python -m orchestration check lumina"
RUN = "python -m orchestration run --date 2026-03-03"
RUN_NEWEST = "python -m orchestration run --date 2026-03-05"
PAGE = "/organizations/lumina"


@pytest.mark.parametrize(
    ("changes", "needs"),
    [
        ({}, ()),
        ({"status": "missing"}, (Need("missing", address=PAGE, command=CHECK),)),
        (
            {"held_count": 2, "oldest_held_file_id": "a" * 16},
            (Need("held", 2, address=f"/files/{'a' * 16}"),),
        ),
        (
            {"status": "refused", "code": "empty_file"},
            (Need("refused", code="empty_file", address=f"/files/{'f' * 16}"),),
        ),
        # An operator has settled it.
        ({"status": "refused", "code": "refused_by_operator"}, ()),
        # The debts file came, but the organization's own payments may be what was not read.
        (
            {"inbox_code": "connection_lost", "inbox_message": "reading"},
            (Need("not_read", 1, "connection_lost", "reading", command=CHECK),),
        ),
        (
            {"inbox_code": "no_permission", "inbox_message": "reading"},
            (Need("not_read", 1, "no_permission", "reading", command=CHECK),),
        ),
        (
            {"status": "not_read", "inbox_code": "misnamed", "is_near_miss": True},
            (Need("near_miss", 1, "misnamed", command=CHECK),),
        ),
        (
            {
                "status": "not_read",
                "file_id": None,
                "inbox_code": "unreachable",
                "inbox_message": "no answer",
            },
            (Need("not_read", 1, "unreachable", "no answer", command=CHECK),),
        ),
        ({"undelivered_count": 2}, (Need("not_delivered", 2, command=RUN_NEWEST),)),
        (
            {"left_to_people_count": 1, "left_to_people_on": date(2026, 3, 2)},
            (
                Need(
                    "left_to_people",
                    command="python -m orchestration republish lumina 2026-03-02",
                ),
            ),
        ),
        ({"overdue_payment_count": 4}, (Need("too_long", 4, address=f"{PAGE}#in-process"),)),
        (
            {"open_exception_count": 5, "oldest_exception_at": datetime(2026, 3, 1, 23)},
            (
                Need(
                    "exceptions",
                    5,
                    since=datetime(2026, 3, 1, 23),
                    age=2,
                    address=f"{PAGE}#exceptions",
                ),
            ),
        ),
        (
            {"status": "missing", "looked_at": datetime(2026, 3, 3, 7, 59)},
            (Need("not_yet", command=RUN),),
        ),
        (
            {
                "other_refused_count": 1,
                "other_refused_file_id": "e" * 16,
                "other_refused_code": "invalid_file_date",
            },
            (Need("other_refused", code="invalid_file_date", address="/files/" + "e" * 16),),
        ),
        (
            {
                "other_refused_count": 2,
                "other_refused_file_id": "e" * 16,
                "other_refused_code": "missing_column",
            },
            (Need("other_refused", 2, "missing_column", address="/files?organization=lumina"),),
        ),
        ({"status": "waiting"}, (Need("waiting", command=RUN),)),
        ({"status": None}, (Need("not_looked", command=RUN),)),
    ],
)
def test_a_day_needs_what_its_row_says(changes, needs: tuple[Need, ...]) -> None:
    assert find_needs(replace(WELL, **changes), TODAY, NEWEST, NOW) == needs


def test_before_its_cut_off_an_inbox_that_nobody_looked_into_needs_nothing() -> None:
    day = replace(WELL, status=None, looked_at=None)
    cutoff = datetime(2026, 3, 3, 8, tzinfo=UTC)
    assert find_needs(day, TODAY, TODAY, cutoff - timedelta(minutes=1)) == ()
    assert find_needs(day, TODAY, TODAY, cutoff) == (Need("not_looked", command=RUN),)


def test_the_newest_date_needs_a_run_once_the_cut_off_of_a_later_one_has_passed() -> None:
    later_there = replace(WELL, organization_id="pacifico", cutoff_time="20:00")
    cutoff = datetime(2026, 3, 4, 8, tzinfo=UTC)
    assert find_dates_not_run([later_there, WELL], TODAY, cutoff - timedelta(seconds=1)) == ()
    assert find_dates_not_run([later_there, WELL], TODAY, cutoff) == (
        Need("not_run", 1, command="python -m orchestration run --date 2026-03-04"),
    )
    assert find_dates_not_run([WELL], TODAY, NOW) == (
        Need("not_run", 2, command="python -m orchestration run --date 2026-03-04"),
    )
    assert find_dates_not_run([], TODAY, NOW) == ()


ORGANIZATION = read_organizations(PROJECT / "seeds")[0]
NEAR_MISS = find_misnamed(
    ORGANIZATION,
    Listing((RemoteFile("27-11-2026_toku_invoices.csv", 1, None),)),
    (),
    date(2026, 11, 27),
    {},
)[0][1]
AHEAD = find_dated_ahead(
    ORGANIZATION,
    Listing((RemoteFile("2026-09-03_toku_invoices.csv", 1, None),)),
    (),
    TODAY,
    TODAY,
    {},
)[0][1]


@pytest.mark.parametrize(
    ("need", "language", "on_paper", "told"),
    [
        (
            Need("near_miss", 1, "misnamed", NEAR_MISS),
            "es",
            False,
            "Un archivo tiene casi el nombre acordado, o el de una fecha muy posterior, y no se"
            " leyó: 27-11-2026_toku_invoices.csv. Haga que lo renombren como se acordó, o cambie el"
            " patrón del contrato.",
        ),
        (
            Need("near_miss", 1, "misnamed", NEAR_MISS),
            "en",
            False,
            "A file nearly has the right name, or that of a date far ahead, and was not read:"
            f" {NEAR_MISS}",
        ),
        (
            Need("near_miss", 1, "misnamed", NEAR_MISS),
            "es",
            True,
            "Un archivo tiene casi el nombre acordado, o el de una fecha muy posterior, y no se"
            " leyó: misnamed. Haga que lo renombren como se acordó, o cambie el patrón del"
            " contrato.",
        ),
        (
            Need("near_miss", 1, "dated_ahead", AHEAD),
            "es",
            False,
            "Un archivo tiene casi el nombre acordado, o el de una fecha muy posterior, y no se"
            " leyó: 2026-09-03_toku_invoices.csv. Haga que lo renombren si es el archivo de la"
            " fecha que falta.",
        ),
        (
            Need("near_miss", 1, "dated_ahead", AHEAD),
            "es",
            True,
            "Un archivo tiene casi el nombre acordado, o el de una fecha muy posterior, y no se"
            " leyó: dated_ahead. Haga que lo renombren si es el archivo de la fecha que falta.",
        ),
        (
            Need("not_read", 1, "unreachable", "nothing answers"),
            "es",
            False,
            "El buzón no se pudo leer: unreachable. El servidor no respondió, o se cortó. La"
            " próxima ejecución lo intenta otra vez; si sigue así, pregunte a la organización.",
        ),
        (
            Need("not_read", 1, "unreachable", "nothing answers"),
            "en",
            False,
            "The inbox could not be read: unreachable nothing answers",
        ),
        (
            Need("not_read", 1, "of_a_later_version", "listing inbox"),
            "es",
            False,
            "El buzón no se pudo leer: of_a_later_version. `check` dice más;"
            " docs/troubleshooting.md dice qué hacer.",
        ),
    ],
)
def test_an_inbox_is_told_in_the_language_of_the_page(
    need: Need, language: str, on_paper: bool, told: str
) -> None:
    template = environment(language).from_string(
        '{% from "day.html" import said_of %}{{ said_of(need, day, on_paper) }}'
    )
    html = template.render(need=need, day=WELL, on_paper=on_paper)
    text = unescape(re.sub(r"</?code>", "", html)).strip()
    assert text == told


def test_the_organization_with_the_worst_need_comes_first_and_a_day_that_is_well_last() -> None:
    days = [
        WELL,
        replace(WELL, open_exception_count=1),
        replace(WELL, status="missing", open_exception_count=1),
        replace(WELL, held_count=1),
    ]
    lines = [Line(day, find_needs(day, TODAY, NEWEST, NOW), ()) for day in days]
    assert [days.index(line.day) for line in sorted(lines, key=lambda line: line.rank)] == [
        2,
        3,
        1,
        0,
    ]


def test_each_organization_has_the_sizes_of_its_own_base() -> None:
    bases = [
        Base(date(2026, 3, 2), "andes", 1, 0),
        Base(date(2026, 3, 2), "lumina", 2, 3),
        Base(date(2026, 3, 3), "lumina", 4, 1),
    ]
    assert count_bases(bases) == {"andes": (1,), "lumina": (5, 5)}
