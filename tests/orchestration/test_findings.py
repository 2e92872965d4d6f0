"""What a load found is told in a sentence, a table and figures, and nothing that must not be."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from orchestration.reports import findings

BALANCE = {
    "organization_id": "'lumina'",
    "business_date": "date '2026-03-03'",
    "currency": "'CLP'",
    "opening_count": "10",
    "new_count": "3",
    "returned_count": "1",
    "paid_count": "2",
    "withdrawn_count": "1",
    "void_count": "1",
    "closing_count": "10",
    "opening_amount": "1000.00",
    "new_amount": "300.00",
    "returned_amount": "100.00",
    "changed_amount": "-50.00",
    "paid_amount": "200.00",
    "withdrawn_amount": "100.00",
    "void_amount": "100.00",
    "closing_amount": "950.00",
    "opening_held_amount": "0.00",
    "received_amount": "250.00",
    "published_amount": "200.00",
    "closing_held_amount": "50.00",
    "base_count_difference": "0",
    "base_amount_difference": "0.00",
}


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        yield connection


def _keep(connection: duckdb.DuckDBPyConnection, *days: dict[str, str]) -> None:
    rows = (", ".join(f"{value} as {name}" for name, value in day.items()) for day in days)
    selects = " union all ".join(f"select {row}" for row in rows)
    connection.execute(f"create table daily_balance as {selects}")


def test_the_newest_day_of_each_organization_is_shown_where_all_adds_up(connection):
    _keep(
        connection,
        {**BALANCE, "business_date": "date '2026-03-02'", "base_count_difference": "89"},
        BALANCE,
        {**BALANCE, "organization_id": "'andes'"},
    )
    found = findings.find_unbalanced_days(connection)
    assert found.is_good
    assert found.sentence == "the newest day of everyone adds up"
    assert found.figures == {"days": 2}
    assert [(row["organization_id"], row["business_date"]) for row in found.context] == [
        ("andes", "2026-03-03"),
        ("lumina", "2026-03-03"),
    ]
    assert found.context[1] == {
        "organization_id": "lumina",
        "business_date": "2026-03-03",
        "opening": "10",
        "entered": "4",
        "paid": "2",
        "taken_back": "2",
        "closing": "10",
        "currency": "CLP",
        "received": "250.00",
        "published": "200.00",
        "does_not_add_up": "",
    }


@pytest.mark.parametrize(
    ("column", "value"),
    [("base_count_difference", "-1"), ("base_amount_difference", "-1.00")],
)
def test_a_day_that_does_not_add_up_is_told_with_what_is_wrong(connection, column, value):
    _keep(connection, {**BALANCE, column: value})
    found = findings.find_unbalanced_days(connection)
    assert found.sentence == "days that do not add up: lumina (CLP)"
    assert [row["does_not_add_up"] for row in found.rows] == ["the base"]


_AGEING = """
create view payments_in_process_ageing as
select count(*) as payment_count, max(business_days) as oldest_business_days
from payments_in_process
group by organization_id, channel_label
"""


def test_payments_that_take_too_long_come_worst_first_with_how_long_they_may_take(connection):
    connection.execute(
        """
        create table payments_in_process as
        select * from (values
            ('lumina', 'pay-1', 'Cargo en cuenta', 9, 5, true),
            ('lumina', 'pay-2', 'Cargo en cuenta', 20, 5, true),
            ('andes', 'pay-3', 'Webpay', 1, 1, false)
        ) as rows (
            organization_id, payment_id, channel_label, business_days, normal_business_days,
            is_too_long
        )
        """
    )
    connection.execute(_AGEING)
    found = findings.find_overdue_payments(connection)
    assert found.sentence == "payments in process for too long: lumina (pay-2), lumina (pay-1)"
    assert found.rows[0] == {
        "organization_id": "lumina",
        "payment_id": "pay-2",
        "channel": "Cargo en cuenta",
        "business_days": "20",
        "normal_business_days": "5",
    }
    assert found.figures == {"payments_in_process": 3, "oldest_business_days": 20}
    connection.execute("delete from payments_in_process where is_too_long")
    found = findings.find_overdue_payments(connection)
    assert found.sentence == "every payment in process is within its channel's time"
    assert (found.rows, found.figures) == (
        (),
        {"payments_in_process": 1, "oldest_business_days": 1},
    )


def test_the_lines_and_files_of_events_that_a_load_refused_are_told_and_no_others(connection):
    connection.execute(
        """
        create table refused_event_lines as
        select * from (values
            (1, 'a.jsonl', 3, 'invalid_json', 'no object'),
            (2, 'pipe.jsonl', 0, 'not_a_file', 'it is no file'),
            (2, 'a.jsonl', 10, 'invalid_json', 'no object'),
            (2, 'a.jsonl', 9, 'missing_amount', 'amount is missing')
        ) as rows (load_id, source_file, line_number, code, message)
        """
    )
    found = findings.find_refused_events(connection, 2)
    assert found.sentence == (
        "lines or files of events refused: a.jsonl (missing_amount), a.jsonl (invalid_json),"
        " pipe.jsonl (not_a_file)"
    )
    assert [row["line_number"] for row in found.rows] == ["9", "10", "0"]
    assert findings.find_refused_events(connection, 3).sentence == "every event was read"


def test_payments_without_a_contract_are_told_by_organization_as_long_as_they_are_open(connection):
    """They are in no file, so nobody else would say that this money came."""
    connection.execute(
        """
        create table payment_exceptions as
        select * from (values
            ('unknown_organization', 'lumin', 'pay-1', true),
            ('unknown_organization', 'lumin', 'pay-2', true),
            ('unknown_organization', 'lumin', 'pay-2', true),
            ('unknown_organization', chr(27) || '[31m' || repeat('x', 200), 'pay-3', true),
            ('unknown_organization', 'andes', 'pay-4', false),
            ('unknown_status', 'lumina', 'pay-5', true)
        ) as rows (code, organization_id, payment_id, is_open)
        """
    )
    found = findings.find_payments_without_contract(connection)
    long = f"?[31m{'x' * 95}..."
    assert found.sentence == (
        f"payments of organizations without a contract, which are in no file: {long} (1), lumin (2)"
    )
    assert found.rows == (
        {"organization_id": long, "payments": "1"},
        {"organization_id": "lumin", "payments": "2"},
    )
    assert found.figures == {"payments_without_contract": 3}
    connection.execute("update payment_exceptions set is_open = false")
    found = findings.find_payments_without_contract(connection)
    assert found.sentence == "every payment is of an organization with a contract"
    assert found.is_good


def test_a_status_that_no_seed_lists_is_told_in_one_line(connection):
    """It may say that a payment method is cancelled: nobody else would stop charging it."""
    connection.execute(
        """
        create table unknown_statuses as
        select * from (values
            ('payment', 'lumina', 'devuelto a ana@correo.cl', 2),
            ('enrollment', 'andes', 'de' || chr(27) || 'baja', 3)
        ) as rows (kind, organization_id, raw_status, event_count)
        """
    )
    found = findings.find_unknown_statuses(connection)
    assert found.sentence == (
        "statuses that no seed lists, so that their events do not count: andes (de?baja),"
        " lumina (devuelto a [mail])"
    )
    assert found.rows[0] == {
        "kind": "enrollment",
        "organization_id": "andes",
        "raw_status": "de?baja",
        "events": "3",
    }
    assert found.figures == {"events_of_unknown_status": 5}
    connection.execute("delete from unknown_statuses")
    found = findings.find_unknown_statuses(connection)
    assert found.sentence == "the status of every event is known"
    assert found.is_good


def test_how_many_rows_a_load_refused_is_a_figure_where_no_file_was_refused_too(connection):
    connection.execute(
        """
        create table intake_files as
        select * from (values
            (1, 'lumina', date '2026-03-02', 'a1', 'applied', null, null, 120, 3),
            (1, 'andes', date '2026-03-02', 'a2', 'applied', null, null, 80, 5),
            (2, 'andes', date '2026-03-03', 'a3', 'refused', 'no_records', 'para 12345678-5', 0, 0)
        ) as rows (
            load_id, organization_id, business_date, file_id, status, code, message,
            record_count, rejected_count
        )
        """
    )
    found = findings.find_refused_files(connection, 1)
    assert found.sentence == "no file was refused"
    assert found.figures == {"rows_received": 200, "rows_refused": 8, "rows_refused_share": 0.04}
    found = findings.find_refused_files(connection, 2)
    assert found.sentence == "files refused: andes (no_records)"
    assert found.figures == {"rows_received": 0, "rows_refused": 0, "rows_refused_share": 0.0}
    assert found.rows[0]["message"] == "para [rut]"


def test_a_held_file_is_shown_with_what_it_would_do_whenever_it_came(connection):
    connection.execute(
        """
        create table intake_files as
        select
            1 as load_id, 'lumina' as organization_id, date '2026-03-02' as business_date,
            'a1' as file_id, status, 'too_many_withdrawals' as code, 1 as new_count,
            2 as changed_count, 3 as unchanged_count, 45 as withdrawn_count,
            4 as kept_in_process_count
        from (values ('held'), ('applied')) as statuses (status)
        """
    )
    found = findings.find_held_files(connection, 7)
    assert found.sentence == "files held: lumina (a1)"
    assert found.rows == (
        {
            "organization_id": "lumina",
            "business_date": "2026-03-02",
            "file_id": "a1",
            "new": "1",
            "changed": "2",
            "unchanged": "3",
            "withdrawn": "45",
            "kept_in_process": "4",
            "code": "too_many_withdrawals",
        },
    )


def test_ten_cases_are_named_and_the_others_counted(connection):
    connection.execute(
        """
        create table payments_in_process as
        select
            'lumina' as organization_id, 'pay-' || range as payment_id, 'Webpay' as channel_label,
            5 as business_days, 1 as normal_business_days, true as is_too_long
        from range(12)
        """
    )
    connection.execute(_AGEING)
    found = findings.find_overdue_payments(connection)
    assert found.sentence.count("lumina") == 10
    assert found.sentence.endswith(") and 2 more")
    assert len(found.rows) == 12


@pytest.fixture
def deliveries(connection):
    connection.execute(
        """
        create table deliveries as
        select 'lumina' as organization_id, *
        from (
            values
            ('answer.csv', 'name_taken', null, 2, false, true),
            ('owed.csv', 'timed_out', null, 2, false, true),
            ('never_tried.csv', null, null, null, false, true),
            ('republished.csv', 'delivered', null, 1, false, false),
            ('taken.csv', 'taken_unread', 'ask', 1, true, true),
            ('gone.csv', 'unconfirmed', 'ask', 2, true, true)
        ) as files (
            file_name, outcome, detail, batch_id, is_left_to_people, is_undelivered
        )
        """
    )
    return connection


OWED = [
    ("answer.csv", "name_taken", ""),
    ("never_tried.csv", "not_attempted", ""),
    ("owed.csv", "timed_out", ""),
]
LEFT = {0: [("gone.csv", "unconfirmed", "ask"), ("taken.csv", "taken_unread", "ask")]}
LEFT[1] = LEFT[0][:1]


@pytest.mark.parametrize("told", [0, 1, 2, 3])
def test_what_the_receiver_may_have_is_told_once_and_what_it_lacks_each_time(deliveries, told):
    """Of batch 2 it is told where 1 was the last told."""
    found = findings.find_undelivered_files(deliveries, told)
    assert [tuple(row.values()) for row in found.rows] == [
        ("lumina", *file) for file in sorted(OWED + LEFT.get(told, []))
    ]
