"""The oracle says what the contract says: an example for each rule, by hand, and what holds always.

An oracle that is wrong in the same way as the models would prove nothing, so what is expected
stands here as the contract words it.
"""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import HealthCheck, given, settings

from tests.orchestration.histories import (
    FIRST_BUSINESS_DATE,
    Contract,
    Decision,
    History,
    IntakeFile,
    Load,
    PaymentEvent,
    business_date,
    csv_bytes,
    describe,
    draw_many,
    histories,
    json_line,
)
from tests.orchestration.oracle import (
    FIELDS,
    STATES,
    Debt,
    FileReference,
    Key,
    Opening,
    Outcome,
    Verdict,
    check_digit,
    count_business_days,
    normal_id,
    normalize_customer_id,
    replay,
)

REPLACE = Contract(customer_id_scheme="external_id")
UPSERT = replace(REPLACE, update_mode="upsert")
# No file of these is refused for its rows or held for what it withdraws.
PATIENT = replace(REPLACE, max_withdrawal_share=Decimal(1), max_rejected_share=Decimal(1))
PATIENT_UPSERT = replace(PATIENT, update_mode="upsert")

DUE = date(2026, 3, 31)
Row = dict[str, str]
APPLIED = Verdict("applied", None)

relaxed = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def row(product_id: str, amount: str = "1000", **cells: str) -> Row:
    """A row of a debts file; its debt is told apart by its product."""
    return {
        "customer_id": "AL-1",
        "product_id": product_id,
        "due_date": DUE.isoformat(),
        "amount": amount,
        "is_paid": "",
        "is_void": "",
        **cells,
    }


def bad_row(product_id: str) -> Row:
    """A row that is refused, but whose key can be read."""
    return row(product_id, amount="mil")


def invoices(day: int, *rows: Row) -> IntakeFile:
    """The debts file of the n-th business date."""
    return _file("invoices", day, rows, FIELDS)


def payments_file(day: int, *products: str) -> IntakeFile:
    """An organization's own payments file; an empty product makes a row that is refused."""
    return _file("payments", day, [row(each) for each in products], FIELDS[:3])


def own_payments(day: int, *amounts: tuple[str, str]) -> IntakeFile:
    """An organization's own payments file of (product, amount)."""
    rows = [row(product_id, amount) for product_id, amount in amounts]
    return _file("payments", day, rows, FIELDS[:4])


def _file(kind: str, day: int, rows: Iterable[Row], header: tuple[str, ...]) -> IntakeFile:
    rows = list(rows)
    header = (*header, *(name for each in rows[:1] for name in each if name not in FIELDS))
    records = tuple(tuple(each[name] for name in header) for each in rows)
    return IntakeFile(kind, business_date(day), header, records)


def event(
    event_id: str,
    payment_id: str,
    status: str,
    product_id: str = "A",
    hour: int = 0,
    amount: str = "1000",
) -> PaymentEvent:
    """An event that happened some hours into the first business date."""
    occurred_at = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(hours=hour)
    return PaymentEvent(event_id, occurred_at, payment_id, "AL-1", product_id, DUE, amount, status)


def after(contract: Contract, *loads: Load) -> Outcome:
    """What is true after the last of these loads."""
    return replay(History(contract, loads))[-1]


def statuses(outcome: Outcome) -> dict[str, str]:
    return {key.product_id: debt.status for key, debt in outcome.debts.items()}


def base(outcome: Outcome) -> set[str]:
    return {key.product_id for key, debt in outcome.debts.items() if debt.is_in_base}


def debt(outcome: Outcome, product_id: str) -> Debt:
    return outcome.debts[Key("AL-1", product_id, DUE)]


def verdicts(outcome: Outcome) -> list[tuple[int, str, str | None]]:
    """The verdicts on files of debts and payments as (load, status, code), in order received."""
    return [(file.load_number, *verdict) for file, verdict in outcome.verdicts.items()]


def invoices_name(day: int) -> str:
    return f"{business_date(day)}_toku_invoices.csv"


# --- R1 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["18441919-K", "18.441.919-k", "0018441919-K", " 018.441.919-K ", "18.441919-k"]
)
def test_r1_all_forms_of_a_rut_are_one_customer(text: str) -> None:
    assert normalize_customer_id("rut", text) == "18441919-K"


@pytest.mark.parametrize("text", ["", "-", "0-0", "18441919-1", "18441919", "18441919-", "AL-1"])
def test_r1_a_text_with_no_number_or_a_wrong_check_digit_is_no_rut(text: str) -> None:
    assert normalize_customer_id("rut", text) is None


@pytest.mark.parametrize(
    ("number", "digit"),
    [(1, "9"), (6, "K"), (19153032, "2"), (24830060, "4"), (18441919, "K"), (24041903, "3")],
)
def test_r1_check_digits_are_modulo_eleven(number: int, digit: str) -> None:
    assert check_digit(number) == digit


def test_r1_external_ids_keep_zeros_and_case() -> None:
    texts = [" 007 ", "7", "AL-1", "al-1", " "]
    known = [normalize_customer_id("external_id", text) for text in texts]
    assert known == ["007", "7", "AL-1", "al-1", None]


def test_r1_one_row_of_debts_for_a_key_however_it_is_written() -> None:
    contract = replace(REPLACE, customer_id_scheme="rut")
    first = invoices(1, row("A", customer_id="18.441.919-k"))
    second = invoices(2, row(" A ", "1000.0000", customer_id="018441919-K"))
    outcome = after(contract, Load(first), Load(second))
    assert outcome.debts == {
        Key("18441919-K", "A", DUE): Debt(
            customer_id="18441919-K",
            product_id="A",
            due_date=DUE,
            amount=Decimal("1000.00"),
            currency="CLP",
            status="pending",
            is_in_base=True,
            kept_because=None,
            attributes=None,
            file_status="listed",
            first_file=FileReference(1, "2026-03-01_toku_invoices.csv"),
            payment_id=None,
        )
    }


# --- R2, R3 ------------------------------------------------------------------------------------


def test_r2_a_replace_file_withdraws_what_it_does_not_list() -> None:
    outcome = after(
        REPLACE, Load(invoices(1, row("A"), row("B"))), Load(invoices(2, row("B"), row("C")))
    )
    assert statuses(outcome) == {"A": "withdrawn", "B": "pending", "C": "pending"}
    assert debt(outcome, "A").file_status == "absent"


def test_r2_paid_and_void_rows_are_not_in_the_base() -> None:
    first = invoices(1, row("A"), row("B", is_paid="Sí"), row("C", is_void="X"))
    outcome = after(REPLACE, Load(first))
    assert statuses(outcome) == {"A": "pending", "B": "paid", "C": "void"}
    assert base(outcome) == {"A"}


def test_r2_a_paid_or_void_debt_stays_so_when_a_later_file_does_not_list_it() -> None:
    first = invoices(1, row("A"), row("B", is_paid="1"), row("C", is_void="1"))
    outcome = after(REPLACE, Load(first), Load(invoices(2, row("A"))))
    assert statuses(outcome) == {"A": "pending", "B": "paid", "C": "void"}
    assert debt(outcome, "B").file_status == "paid"


def test_r2_a_withdrawn_debt_that_is_listed_again_is_pending_with_the_new_values() -> None:
    outcome = after(
        PATIENT,
        Load(invoices(1, row("A", plan="oro"), row("B", plan="oro"))),
        Load(invoices(2, row("B", plan="oro"))),
        Load(invoices(3, row("A", "900.5", plan=""), row("B", plan=""))),
    )
    assert statuses(outcome) == {"A": "pending", "B": "pending"}
    assert debt(outcome, "A").amount == Decimal("900.50")
    assert debt(outcome, "A").attributes is None
    assert debt(outcome, "A").first_file == FileReference(1, invoices_name(1))


def test_r3_absence_from_an_upsert_file_changes_nothing() -> None:
    outcome = after(
        UPSERT,
        Load(invoices(1, row("A"), row("B"), row("C"))),
        Load(invoices(2, row("B", "2000"), row("D"))),
    )
    assert statuses(outcome) == dict.fromkeys("ABCD", "pending")
    assert debt(outcome, "B").amount == Decimal(2000)


def test_r3_an_upsert_file_without_records_is_applied_and_changes_nothing() -> None:
    outcome = after(UPSERT, Load(invoices(1, row("A"))), Load(invoices(2)))
    assert statuses(outcome) == {"A": "pending"}
    assert verdicts(outcome) == [(1, "applied", None), (2, "applied", None)]


# --- R4, R5 ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("second_row", "file_status", "kept_because"),
    [
        (None, "absent", "in_process"),
        (row("A", is_void="si"), "void", "in_process"),
        (bad_row("A"), "rejected_row", "in_process"),
        (row("A", "5"), "listed", None),
    ],
)
def test_r4_a_debt_in_process_is_in_the_base_whatever_a_file_says(
    second_row: Row | None, file_status: str, kept_because: str | None
) -> None:
    second = invoices(2, row("B"), *([second_row] if second_row else []))
    outcome = after(
        PATIENT,
        Load(invoices(1, row("A"), row("B")), events=(event("e1", "p1", "in_process"),)),
        Load(second),
    )
    known = debt(outcome, "A")
    assert (known.status, known.is_in_base, known.payment_id) == ("in_process", True, "p1")
    assert (known.file_status, known.kept_because) == (file_status, kept_because)


@pytest.mark.parametrize(
    ("status", "second", "expected"),
    [
        ("rejected", invoices(2, row("A"), row("B")), "pending"),
        ("rejected", invoices(2, row("B")), "withdrawn"),
        ("reversed", invoices(2, row("B")), "withdrawn"),
        ("authorized", invoices(2, row("B")), "paid"),
    ],
)
def test_r4_after_the_process_a_debt_is_paid_or_follows_the_newest_file(
    status: str, second: IntakeFile, expected: str
) -> None:
    outcome = after(
        REPLACE,
        Load(invoices(1, row("A"), row("B")), events=(event("e1", "p1", "in_process"),)),
        Load(second),
        Load(events=(event("e2", "p1", status, hour=1),)),
    )
    assert statuses(outcome) == {"A": expected, "B": "pending"}


def test_r4_a_rejected_payment_leaves_an_upsert_debt_pending() -> None:
    outcome = after(
        UPSERT,
        Load(invoices(1, row("A")), events=(event("e1", "p1", "in_process"),)),
        Load(invoices(2, row("B")), events=(event("e2", "p1", "rejected", hour=1),)),
    )
    assert statuses(outcome) == {"A": "pending", "B": "pending"}


def test_r5_a_bad_row_keeps_the_last_good_version() -> None:
    outcome = after(
        PATIENT, Load(invoices(1, row("A", "70"), row("B"))), Load(invoices(2, bad_row("A")))
    )
    known = debt(outcome, "A")
    assert (known.status, known.amount) == ("pending", Decimal(70))
    assert (known.file_status, known.kept_because) == ("rejected_row", "rejected_row")
    assert statuses(outcome)["B"] == "withdrawn"


def test_r5_a_bad_row_brings_a_withdrawn_debt_back_but_makes_no_debt_known() -> None:
    outcome = after(
        PATIENT,
        Load(invoices(1, row("A"), row("B"))),
        Load(invoices(2, row("B"))),
        Load(invoices(3, bad_row("A"), row("B"), bad_row("NEW"))),
    )
    assert statuses(outcome) == {"A": "pending", "B": "pending"}


def test_r5_a_bad_row_beside_a_good_one_of_the_same_debt_means_nothing() -> None:
    second = invoices(2, row("A", "5"), bad_row("A"))
    outcome = after(PATIENT, Load(invoices(1, row("A"))), Load(second))
    assert (debt(outcome, "A").amount, debt(outcome, "A").file_status) == (Decimal(5), "listed")


def test_r5_a_bad_row_leaves_paid_and_void_debts_as_they_are() -> None:
    first = invoices(1, row("A", is_paid="t"), row("B", is_void="t"))
    outcome = after(PATIENT, Load(first), Load(invoices(2, bad_row("A"), bad_row("B"))))
    assert statuses(outcome) == {"A": "paid", "B": "void"}


@pytest.mark.parametrize(
    ("unread", "kept"),
    [
        ({"due_date": "2026-02-30"}, {"A", "A later"}),
        ({"product_id": " "}, {"A", "B"}),
        ({"customer_id": ""}, {"A", "A of another"}),
        ({"product_id": "", "due_date": "pronto"}, {"A", "A later", "B"}),
        ({"customer_id": "", "due_date": ""}, {"A", "A later", "A of another"}),
        ({"customer_id": "", "product_id": ""}, set()),
    ],
)
def test_r5_a_bad_row_keeps_the_debts_that_agree_with_what_can_be_read_of_its_key(
    unread: dict[str, str], kept: set[str]
) -> None:
    later = (DUE + timedelta(days=30)).isoformat()
    debts = {
        "A": row("A"),
        "A later": row("A", due_date=later),
        "A of another": row("A", customer_id="AL-2"),
        "B": row("B"),
        "of another": row("B", customer_id="AL-2", due_date=later),
    }
    outcome = after(
        PATIENT, Load(invoices(1, *debts.values())), Load(invoices(2, {**row("A"), **unread}))
    )
    found = {
        (debt.customer_id, debt.product_id, debt.due_date.isoformat())
        for debt in outcome.debts.values()
        if debt.kept_because == "rejected_row"
    }
    assert found == {
        (debts[name]["customer_id"], debts[name]["product_id"], debts[name]["due_date"])
        for name in kept
    }
    assert sum(debt.status == "pending" for debt in outcome.debts.values()) == len(kept)


def test_r5_a_row_of_part_of_a_key_keeps_what_was_in_the_base_and_brings_nothing_back() -> None:
    of_somebody = row("", amount="mil")
    outcome = after(
        PATIENT,
        Load(invoices(1, row("A"), row("B"), row("C"))),
        Load(invoices(2, row("B"), bad_row("C"))),
        Load(invoices(3, of_somebody)),
        Load(invoices(4, of_somebody)),
    )
    assert statuses(outcome) == {"A": "withdrawn", "B": "pending", "C": "pending"}


def test_r5_a_bad_row_in_an_upsert_file_changes_nothing() -> None:
    outcome = after(
        PATIENT_UPSERT, Load(invoices(1, row("A"))), Load(invoices(2, bad_row("A"), bad_row("B")))
    )
    assert statuses(outcome) == {"A": "pending"}
    assert (debt(outcome, "A").file_status, debt(outcome, "A").kept_because) == ("listed", None)


# --- R6, R7 ------------------------------------------------------------------------------------


def test_r6_a_debt_with_an_authorized_payment_is_paid_even_when_later_files_list_it() -> None:
    outcome = after(
        REPLACE,
        Load(invoices(1, row("A"), row("B")), events=(event("e1", "p1", "authorized"),)),
        Load(invoices(2, row("A"), row("B"))),
    )
    assert statuses(outcome) == {"A": "paid", "B": "pending"}
    assert debt(outcome, "A").file_status == "listed"


def test_r6_a_reversed_payment_makes_the_debt_follow_the_files_again() -> None:
    outcome = after(
        REPLACE,
        Load(invoices(1, row("A")), events=(event("e1", "p1", "authorized"),)),
        Load(events=(event("e2", "p1", "reversed", hour=1),)),
    )
    assert statuses(outcome) == {"A": "pending"}
    assert debt(outcome, "A").payment_id is None


def test_r6_the_newest_valid_row_alone_says_whether_files_call_a_debt_paid() -> None:
    outcome = after(REPLACE, Load(invoices(1, row("A", is_paid="t"))), Load(invoices(2, row("A"))))
    assert statuses(outcome) == {"A": "pending"}


def test_r6_a_row_in_the_organizations_own_payments_file_makes_a_debt_paid() -> None:
    outcome = after(
        REPLACE,
        Load(payments=(payments_file(1, "A", "A", "NEVER"),)),
        Load(invoices(2, row("A"), row("B"))),
    )
    assert statuses(outcome) == {"A": "paid", "B": "pending"}
    assert debt(outcome, "A").file_status == "listed"
    assert verdicts(outcome) == [(1, "applied", None), (2, "applied", None)]


def test_r6_a_corrected_payments_file_takes_back_what_the_former_version_said() -> None:
    debts_file = invoices(1, row("A"), row("B"), row("C"))
    outcome = after(
        REPLACE,
        Load(debts_file, payments=(payments_file(1, "A", "B"),)),
        Load(payments=(payments_file(2, "C"), payments_file(1, "B"))),
    )
    assert statuses(outcome) == {"A": "pending", "B": "paid", "C": "paid"}


def test_r6_a_refused_payments_file_leaves_the_former_version_in_force() -> None:
    outcome = after(
        REPLACE,
        Load(invoices(1, row("A"), row("B")), payments=(payments_file(1, "A"),)),
        Load(payments=(payments_file(1, "B", ""),)),
    )
    assert statuses(outcome) == {"A": "paid", "B": "pending"}
    assert verdicts(outcome)[-1] == (2, "refused", "too_many_rejected_rows")


def test_r7_paid_goes_before_in_process_before_void_before_pending_before_withdrawn() -> None:
    first = invoices(
        1,
        row("PAID", is_paid="1", is_void="1"),
        row("IN_PROCESS", is_void="1"),
        row("VOID", is_void="1"),
        row("PENDING"),
        row("WITHDRAWN"),
    )
    events = (
        event("e1", "p1", "in_process", "PAID"),
        event("e2", "p2", "in_process", "IN_PROCESS"),
    )
    outcome = after(PATIENT, Load(first, events=events), Load(invoices(2, row("PENDING"))))
    assert statuses(outcome) == {
        "PAID": "paid",
        "IN_PROCESS": "in_process",
        "VOID": "void",
        "PENDING": "pending",
        "WITHDRAWN": "withdrawn",
    }
    assert base(outcome) == {"IN_PROCESS", "PENDING"}
    assert debt(outcome, "PAID").payment_id == "p1"


# --- R8, R16, R17 ------------------------------------------------------------------------------


def test_r8_the_same_bytes_again_are_a_duplicate_with_no_effect() -> None:
    first = invoices(1, row("A"))
    outcome = after(REPLACE, Load(first), Load(first))
    assert statuses(outcome) == {"A": "pending"}
    assert verdicts(outcome) == [(1, "applied", None), (2, "duplicate", "same_bytes_again")]


def test_r8_a_duplicate_is_one_of_the_last_file_of_its_name_that_was_not_refused() -> None:
    first, rubbish = invoices(1, row("A")), invoices(1, bad_row("A"))
    loads = [Load(each) for each in (first, rubbish, rubbish, first)]
    outcome = after(REPLACE, *loads)
    assert [status for _, status, _ in verdicts(outcome)] == [
        "applied",
        "refused",
        "refused",
        "duplicate",
    ]


def test_r8_the_same_bytes_under_another_name_are_a_file_of_their_own() -> None:
    outcome = after(REPLACE, Load(invoices(1, row("A"))), Load(invoices(2, row("A"))))
    assert verdicts(outcome) == [(1, "applied", None), (2, "applied", None)]


def test_r8_a_correction_supersedes_the_file_of_the_same_name() -> None:
    outcome = after(
        PATIENT,
        Load(invoices(1, row("A"), row("B"))),
        Load(invoices(1, row("B", "5"), row("C"))),
    )
    assert statuses(outcome) == {"A": "withdrawn", "B": "pending", "C": "pending"}
    assert debt(outcome, "B").amount == Decimal(5)


def test_r8_an_older_replace_file_is_superseded_and_its_rows_are_not_known() -> None:
    outcome = after(
        REPLACE, Load(invoices(3, row("A"))), Load(invoices(2, row("A", "5"), row("B")))
    )
    assert statuses(outcome) == {"A": "pending"}
    assert debt(outcome, "A").amount == Decimal(1000)
    assert verdicts(outcome)[-1] == (2, "superseded", "older_than_applied")


def test_r8_an_older_upsert_file_touches_only_debts_that_no_newer_file_touched() -> None:
    outcome = after(
        PATIENT_UPSERT,
        Load(invoices(1, row("A", "1"), row("B", "1"), row("D", "1"))),
        Load(invoices(3, row("A", "3"), bad_row("D"))),
        Load(invoices(2, row("A", "2"), row("B", "2"), row("C", "2"), row("D", "2"))),
    )
    amounts = {key.product_id: int(known.amount) for key, known in outcome.debts.items()}
    assert amounts == {"A": 3, "B": 2, "C": 2, "D": 2}
    assert debt(outcome, "C").first_file == FileReference(3, invoices_name(2))
    assert verdicts(outcome)[-1] == (3, "applied", None)


def test_r8_the_file_that_was_applied_first_stays_the_first_file_of_its_debts() -> None:
    outcome = after(UPSERT, Load(invoices(2, row("A"))), Load(invoices(1, row("A"))))
    assert debt(outcome, "A").first_file == FileReference(1, invoices_name(2))


def test_r16_more_refused_rows_than_the_share_refuse_the_whole_file() -> None:
    good = [row(each) for each in "ABCD"]
    for bad_rows, verdict in [
        ([bad_row("E")], APPLIED),
        ([bad_row("E"), bad_row("F")], Verdict("refused", "too_many_rejected_rows")),
    ]:
        file = invoices(1, *good, *bad_rows)
        outcome = after(REPLACE, Load(file))
        assert outcome.verdicts == {FileReference(1, file.name): verdict}
        assert base(outcome) == (set("ABCD") if verdict == APPLIED else set())


def test_r17_a_file_that_withdraws_more_than_the_share_is_held_and_changes_nothing() -> None:
    first = invoices(1, *(row(each) for each in "ABCD"))
    just = after(REPLACE, Load(first), Load(invoices(2, row("A"), row("B"))))
    assert statuses(just) == {"A": "pending", "B": "pending", "C": "withdrawn", "D": "withdrawn"}
    more = after(REPLACE, Load(first), Load(invoices(2, row("A"), row("X"))))
    assert statuses(more) == dict.fromkeys("ABCD", "pending")
    assert verdicts(more)[-1] == (2, "held", "too_many_withdrawals")


def test_r17_only_pending_debts_count_and_a_readable_bad_row_withdraws_nothing() -> None:
    contract = replace(REPLACE, max_rejected_share=Decimal(1))
    first = invoices(1, *(row(each) for each in "ABCD"))
    events = (event("e1", "p1", "in_process", "A"), event("e2", "p2", "authorized", "B"))
    listed = after(contract, Load(first, events=events), Load(invoices(2, bad_row("C"))))
    assert verdicts(listed)[-1] == (2, "applied", None)
    unlisted = after(contract, Load(first, events=events), Load(invoices(2, row("A"), row("B"))))
    assert verdicts(unlisted)[-1] == (2, "held", "too_many_withdrawals")


def test_r17_the_share_is_of_the_debts_as_the_former_load_left_them() -> None:
    events = (event("e1", "p1", "in_process", "A"),)
    outcome = after(
        REPLACE,
        Load(invoices(1, row("A"), row("B"), row("C"))),
        Load(invoices(2, row("B")), events=events),
    )
    assert verdicts(outcome)[-1] == (2, "held", "too_many_withdrawals")


def test_r17_an_empty_replace_file_is_held_even_when_there_is_nothing_to_withdraw() -> None:
    outcome = after(PATIENT, Load(invoices(1)))
    assert verdicts(outcome) == [(1, "held", "empty_file")]


def test_r17_with_nothing_pending_no_file_is_held_for_its_share() -> None:
    strict = replace(REPLACE, max_withdrawal_share=Decimal(0))
    outcome = after(strict, Load(invoices(1, row("A", is_void="1"))), Load(invoices(2, row("B"))))
    assert verdicts(outcome)[-1] == (2, "applied", None)


@pytest.mark.parametrize(
    ("decision", "verdict", "expected"),
    [
        ("approved", APPLIED, {"A": "withdrawn"}),
        ("refused", Verdict("refused", "refused_by_operator"), {"A": "pending"}),
    ],
)
def test_r17_an_operator_decides_about_a_held_file(
    decision: str, verdict: Verdict, expected: dict[str, str]
) -> None:
    held = FileReference(2, invoices_name(2))
    outcome = after(
        REPLACE,
        Load(invoices(1, row("A"))),
        Load(invoices(2)),
        Load(decisions=(Decision(held, decision),)),
        Load(decisions=(Decision(held, "refused"),)),
    )
    assert outcome.verdicts[held] == verdict
    assert statuses(outcome) == expected


@pytest.mark.parametrize("newer_day", [2, 3])
def test_r17_a_held_file_is_superseded_once_a_newer_one_is_applied_whatever_is_said_afterwards(
    newer_day: int,
) -> None:
    held = FileReference(2, invoices_name(2))
    outcome = after(
        REPLACE,
        Load(invoices(1, row("A"))),
        Load(invoices(2, row("B"))),
        Load(invoices(newer_day, row("A", "5"))),
        Load(decisions=(Decision(held, "approved"),)),
    )
    assert outcome.verdicts[held] == Verdict("superseded", "older_than_applied")
    assert statuses(outcome) == {"A": "pending"}


@pytest.mark.parametrize(
    ("contract", "newer_day", "status"),
    [
        (REPLACE, 2, "superseded"),
        (UPSERT, 2, "superseded"),
        (REPLACE, 3, "superseded"),
        (UPSERT, 3, "held"),  # what it adds is still wanted
    ],
)
def test_r13_a_file_that_may_be_cut_waits_until_its_correction_is_applied(
    contract: Contract, newer_day: int, status: str
) -> None:
    cut = replace(invoices(2, row("A", "1")), has_line_end=False)
    held = FileReference(2, cut.name)
    loads = (
        Load(invoices(1, row("A"))),
        Load(cut),
        Load(invoices(newer_day, row("A", "5"))),
    )
    assert after(contract, *loads[:2]).verdicts[held] == Verdict("held", "maybe_truncated")
    assert debt(after(contract, *loads[:2]), "A").amount == 1000
    assert after(contract, *loads).verdicts[held].status == status


# --- R15 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"customer_id": "  ", "product_id": ""}, "missing_customer_id"),
        ({"customer_id": "18441919-1", "product_id": ""}, "invalid_rut"),
        ({"product_id": " ", "due_date": ""}, "missing_product_id"),
        ({"due_date": "", "amount": ""}, "invalid_due_date"),
        ({"due_date": "2026-02-30"}, "invalid_due_date"),
        ({"due_date": "31-03-2026"}, "invalid_due_date"),
        ({"amount": "", "is_paid": "2"}, "invalid_amount"),
        ({"amount": "10.001"}, "invalid_amount"),
        ({"amount": "-0.001"}, "invalid_amount"),
        ({"amount": "1.000,50"}, "invalid_amount"),
        ({"amount": "-0.01", "is_paid": "2"}, "negative_amount"),
        ({"is_paid": "2", "plan": "ñ" * 257}, "invalid_flag"),
        ({"is_void": "-"}, "invalid_flag"),
        ({"plan": "ñ" * 257}, "attribute_too_long"),
        ({"plan": "ñ" * 256}, None),
        ({"amount": "0"}, None),
        ({"amount": "1000.0000"}, None),
        ({"customer_id": " 18.441.919-k ", "is_paid": " Verdadero "}, None),
    ],
)
def test_r15_the_first_thing_wrong_with_a_row_is_its_code(
    cells: dict[str, str], code: str | None
) -> None:
    contract = replace(PATIENT, customer_id_scheme="rut")
    good = row("A", customer_id="18441919-K", plan="")
    file = invoices(1, {**good, "product_id": "B"}, {**good, **cells})
    outcome = after(contract, Load(file))
    expected = ((3, code),) if code else ()
    assert outcome.refused_rows == {FileReference(1, file.name): expected}


def test_r15_of_two_valid_rows_with_one_key_the_last_wins_and_the_others_get_a_code() -> None:
    file = invoices(1, row("A", "1"), row("B"), row("A", "2"), row("A", "3"), bad_row("A"))
    outcome = after(PATIENT, Load(file))
    assert debt(outcome, "A").amount == Decimal(3)
    assert outcome.refused_rows[FileReference(1, file.name)] == (
        (2, "duplicate_key"),
        (4, "duplicate_key"),
        (6, "invalid_amount"),
    )


def test_r15_a_payments_row_needs_only_its_key_and_may_name_a_debt_twice() -> None:
    file = payments_file(1, "A", "", "A")
    outcome = after(PATIENT, Load(invoices(1, row("A")), payments=(file,)))
    assert outcome.refused_rows[FileReference(1, file.name)] == ((3, "missing_product_id"),)
    assert statuses(outcome) == {"A": "paid"}


# --- R21 ---------------------------------------------------------------------------------------


def test_r21_the_latest_event_counts_not_the_last_loaded() -> None:
    events = (event("e2", "p1", "authorized", hour=2), event("e1", "p1", "in_process", hour=1))
    assert statuses(after(REPLACE, Load(invoices(1, row("A")), events=events))) == {"A": "paid"}


def test_r21_of_two_events_at_one_instant_the_one_loaded_last_counts() -> None:
    loads = [Load(invoices(1, row("A")))]
    loads += [Load(events=(event(each, "p1", each),)) for each in ("authorized", "rejected")]
    assert statuses(after(REPLACE, *loads)) == {"A": "pending"}


def test_r21_an_event_id_counts_once_and_as_first_loaded() -> None:
    events = (event("e1", "p1", "authorized"), event("e1", "p1", "rejected", hour=9))
    assert statuses(after(REPLACE, Load(invoices(1, row("A")), events=events))) == {"A": "paid"}


def test_r21_an_event_of_unknown_status_has_no_effect() -> None:
    events = (event("e1", "p1", "in_process"), event("e2", "p1", "on_hold", "B", hour=1))
    outcome = after(REPLACE, Load(invoices(1, row("A"), row("B")), events=events))
    assert statuses(outcome) == {"A": "in_process", "B": "pending"}


def test_r21_one_payment_may_pay_several_debts_each_on_its_own() -> None:
    events = (
        event("e1", "p1", "authorized"),
        event("e2", "p1", "in_process", "B", hour=1),
        event("e3", "p1", "authorized", "C", hour=2),
        event("e4", "p1", "rejected", "D", hour=3),
        event("e5", "p1", "reversed", "C", hour=4),
    )
    debts_file = invoices(1, *(row(product_id) for product_id in "ABCD"))
    outcome = after(REPLACE, Load(debts_file, events=events))
    assert statuses(outcome) == {"A": "paid", "B": "in_process", "C": "pending", "D": "pending"}
    assert {line.key.product_id: line.status for line in outcome.lines} == {
        "A": "autorizado",
        "B": "en proceso de pago",
    }


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_r21_partial_reversals_add_up_in_any_order_of_arrival(order: tuple[int]) -> None:
    events = [
        event("e1", "p1", "authorized", hour=1),
        event("e2", "p1", "reversed", hour=2, amount="300"),
        event("e3", "p1", "authorized", hour=3),
        event("e4", "p1", "reversed", hour=4, amount="500"),
    ]
    loads = [Load(invoices(1, row("A"))), *(Load(events=(events[at],)) for at in order)]
    outcome = after(REPLACE, *loads, Load(events=(events[1],)))
    assert statuses(outcome) == {"A": "paid"}
    assert sum(line.amount for line in outcome.lines if line.status != "en proceso de pago") == 200
    assert exceptions(outcome, "partly_reversed")["p1", "A"].is_open
    ended = after(
        REPLACE, *loads, Load(events=(event("e5", "p1", "reversed", hour=5, amount="200"),))
    )
    assert statuses(ended) == {"A": "pending"}
    assert sum(line.amount for line in ended.lines) == 0
    assert not exceptions(ended, "partly_reversed")["p1", "A"].is_open


@pytest.mark.parametrize(
    ("events", "status", "standing", "is_counted"),
    [
        ([("authorized", "1000"), ("reversed", "1300")], "pending", 0, False),
        ([("reversed", "1000"), ("authorized", "1000")], "paid", 1000, False),
        ([("authorized", "1000"), ("reversed", "0")], "paid", 1000, False),
        ([("authorized", "1000"), ("reversed", "1000"), ("refunded", "1000")], "pending", 0, False),
        ([("in_process", "1000"), ("reversed", "1000")], "pending", 0, True),
        ([("in_process", "1000"), ("reversed", "1000"), ("pagado", "1000")], "paid", 1000, False),
        ([("authorized", "1000"), ("reversed", "1000"), ("pagado", "900")], "paid", 900, True),
        ([("authorized", "1000"), ("reversed", "300"), ("pagado", "1200")], "paid", 900, True),
        ([("authorized", "1000"), ("reversed", "700"), ("pagado", "300")], "paid", 300, True),
        ([("authorized", "1000"), ("reversed", "700"), ("pagado", "500")], "paid", 300, False),
        ([("authorized", "1000"), ("reversed", "300"), ("rejected", "1000")], "pending", 0, True),
        ([("authorized", "1000"), ("in_process", "1000")], "in_process", 1000, True),
    ],
)
def test_r21_what_stands_of_a_payment_after_its_events(
    events: list[tuple[str, str]], status: str, standing: int, *, is_counted: bool
) -> None:
    told = [
        event(f"e{at}", "p1", each, hour=at, amount=amount)
        for at, (each, amount) in enumerate(events)
    ]
    outcome = after(REPLACE, Load(invoices(1, row("A")), events=tuple(told)))
    money = [line.amount for line in outcome.lines if line.status != "en proceso de pago"]
    assert (statuses(outcome)["A"], sum(money)) == (status, standing)
    assert (exceptions(outcome, "event_not_counted") == {}) is is_counted


def test_r21_a_payment_may_come_before_its_debt() -> None:
    outcome = after(
        REPLACE, Load(events=(event("e1", "p1", "sent_to_bank"),)), Load(invoices(2, row("A")))
    )
    assert statuses(outcome) == {"A": "in_process"}


def test_r21_the_payment_named_is_an_authorized_one_then_the_earliest() -> None:
    debts_file = Load(invoices(1, row("A")))
    in_process = [event("e1", "p3", "in_process", hour=1), event("e2", "p2", "in_process", hour=1)]
    assert debt(after(REPLACE, debts_file, Load(events=tuple(in_process))), "A").payment_id == "p2"
    authorized = [event("e3", "p0", "authorized", hour=5), event("e4", "p9", "authorized", hour=4)]
    everything = Load(events=(*in_process, *authorized))
    assert debt(after(REPLACE, debts_file, everything), "A").payment_id == "p9"


# --- R9 ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_r9_upsert_files_give_the_same_debts_in_any_order_of_arrival(order: tuple[int]) -> None:
    files = [
        invoices(1, row("A", "1"), row("B", "1", is_paid="1"), row("C", "1")),
        invoices(2, row("B", "2"), bad_row("C"), row("D", "2")),
        invoices(3, row("A", "3", is_void="1"), bad_row("D")),
    ]
    outcome = after(PATIENT_UPSERT, *(Load(files[at]) for at in order))
    known = {key.product_id: (int(each.amount), each.status) for key, each in outcome.debts.items()}
    assert known == {
        "A": (3, "void"),
        "B": (2, "pending"),
        "C": (1, "pending"),
        "D": (2, "pending"),
    }


@relaxed
@given(histories())
def test_r9_debts_are_the_same_whenever_the_events_arrive(history: History) -> None:
    """But for verdicts, which look at pending debts: so no file is held for what it withdraws."""
    contract = replace(history.contract, max_withdrawal_share=Decimal(1))
    late = [replace(load, events=()) for load in history.loads]
    late.append(Load(events=tuple(event for load in history.loads for event in load.events)))
    assert after(contract, *late).debts == after(contract, *history.loads).debts


# --- what holds after each load of any history -------------------------------------------------


@relaxed
@given(histories())
def test_r2_the_base_is_the_newest_files_open_rows_and_what_r4_and_r5_keep(
    history: History,
) -> None:
    for outcome in replay(history):
        for known in outcome.debts.values():
            kept = {None: "listed", "in_process": known.file_status, "rejected_row": "rejected_row"}
            in_base = known.status in ("pending", "in_process")
            assert known.is_in_base == in_base
            assert not in_base or known.file_status == kept[known.kept_because]
            assert in_base or known.kept_because is None


@relaxed
@given(histories())
def test_r9_a_history_says_after_each_load_what_it_says_when_cut_there(history: History) -> None:
    outcomes = replay(history)
    for count in range(1, len(history.loads)):
        assert replay(replace(history, loads=history.loads[:count])) == outcomes[:count]


@relaxed
@given(histories())
def test_a_load_that_brings_nothing_to_judge_changes_no_verdict_and_no_file_status(
    history: History,
) -> None:
    before: Outcome | None = None
    for load, outcome in zip(history.loads, replay(history), strict=True):
        if before is not None and not load.files and not load.decisions:
            assert outcome.verdicts == before.verdicts
            assert {key: known.file_status for key, known in outcome.debts.items()} == {
                key: known.file_status for key, known in before.debts.items()
            }
        before = outcome


# --- the histories themselves ------------------------------------------------------------------


@relaxed
@given(histories())
def test_a_history_is_one_that_an_organization_can_have(history: History) -> None:
    outcomes = replay(history)
    assert 3 <= len(history.loads) <= 6
    for load_number, load in enumerate(history.loads, start=1):
        names = [file.name for file in load.files]
        assert len(names) == len(set(names))
        assert all(file.business_date <= business_date(load_number) for file in load.files)
        for decision in load.decisions:
            assert outcomes[load_number - 2].verdicts[decision.file].status == "held"
            assert decision.decision == "refused" or load.invoices is None
        for file in load.files:
            lines = list(csv.reader(io.StringIO(csv_bytes(file).decode("utf-8"))))
            assert lines == [list(file.header), *map(list, file.records)]
            assert csv_bytes(file).count(b"\n") == len(file.records) + file.has_line_end
        for each in load.events:
            values = json.loads(json_line("lumina", each), parse_float=Decimal)
            assert datetime.fromisoformat(values["occurred_at"]) == each.occurred_at
            assert Decimal(values["amount"]) == Decimal(each.amount)


def test_a_file_is_written_as_csv_and_an_event_as_a_line_of_json() -> None:
    file = invoices(1, row("LUZ, 1", " 1000.00", plan='"ñ"'))
    assert csv_bytes(file).decode("utf-8") == (
        "customer_id,product_id,due_date,amount,is_paid,is_void,plan\n"
        'AL-1,"LUZ, 1",2026-03-31, 1000.00,,,"""ñ"""\n'
    )
    assert json_line("lumina", event("e1", "p1", "authorized")) == (
        '{"event_id": "e1", "occurred_at": "2026-03-01T00:00:00+00:00",'
        ' "organization_id": "lumina", "payment_id": "p1", "customer_id": "AL-1",'
        ' "product_id": "A", "due_date": "2026-03-31", "amount": 1000, "currency": "CLP",'
        ' "channel": "webpay", "status": "authorized", "reason": null}'
    )


def test_a_seed_gives_the_same_histories_whatever_the_count() -> None:
    few, many = list(draw_many(7, 3)), list(draw_many(7, 5))
    assert few == many[:3]
    assert [each.contract.organization_id for each in many] == [f"org_{n:03d}" for n in range(5)]
    assert few[0].loads != next(draw_many(8, 1)).loads
    assert describe(few[0]) == describe(many[0])


def test_six_hundred_histories_reach_every_case() -> None:
    seen = Counter(case for history in draw_many(1, 600) for case in _cases(history))
    expected = {line.strip() for line in EVERY_CASE.strip().splitlines()}
    assert set(seen) == expected
    assert {case: count for case, count in seen.items() if count < 2} == {}


EVERY_CASE = """
    row missing_customer_id
    row invalid_rut
    row missing_product_id
    row invalid_due_date
    row invalid_amount
    row negative_amount
    row invalid_flag
    row attribute_too_long
    row duplicate_key
    row inexact_id
    replace invoices applied
    replace invoices duplicate same_bytes_again
    replace invoices refused too_many_rejected_rows
    replace invoices refused refused_by_operator
    replace invoices superseded older_than_applied
    replace invoices held empty_file
    replace invoices held too_many_withdrawals
    replace invoices held maybe_truncated
    replace payments applied
    replace payments duplicate same_bytes_again
    replace payments refused too_many_rejected_rows
    upsert invoices applied
    upsert invoices held maybe_truncated
    upsert invoices duplicate same_bytes_again
    upsert invoices refused too_many_rejected_rows
    upsert invoices refused refused_by_operator
    upsert payments applied
    upsert payments duplicate same_bytes_again
    upsert payments refused too_many_rejected_rows
    replace debt pending listed
    replace debt pending rejected_row rejected_row
    replace debt in_process listed
    replace debt in_process absent in_process
    replace debt in_process void in_process
    replace debt in_process rejected_row in_process
    replace debt void void
    replace debt withdrawn absent
    replace debt paid listed
    replace debt paid absent
    replace debt paid rejected_row
    replace debt paid void
    replace debt paid paid
    upsert debt pending listed
    upsert debt in_process listed
    upsert debt in_process void in_process
    upsert debt void void
    upsert debt paid listed
    upsert debt paid void
    upsert debt paid paid
    decision applied
    decision refused
    replace held file overtaken
    upsert held file overtaken
    late upsert file applied
    correction of a debts file applied
    correction of a payments file applied
    no debts file
    payment of several debts
    reversal of a part
    two reversals of parts in files
    paid again after a reversal in files
    money of two currencies
    exception unknown_debt
    exception second_payment
    exception amount_differs
    exception partly_reversed
    exception taken_back
    exception event_not_counted
    exception listed_after_paid
    exception changed_in_process
    exception in_process_too_long
    exception unknown_status
    exception repeated_otherwise
    exception ahead_of_time
    exception unknown_channel
    exception closed unknown_debt
    exception closed second_payment
    exception closed amount_differs
    exception closed partly_reversed
    exception closed taken_back
    exception closed event_not_counted
    exception closed listed_after_paid
    exception closed changed_in_process
    exception closed in_process_too_long
    exception closed unknown_status
    exception closed repeated_otherwise
    exception closed ahead_of_time
    exception closed unknown_channel
    payment of no known debt
    two authorized payments of one debt
    event of unknown status
    event again
    event id again with other content
    event out of order
"""


def _cases(history: History) -> Iterable[str]:
    """What happens in a history, in the words of EVERY_CASE, as often as it happens."""
    yield from _file_cases(history)
    yield from _event_cases(history)


def _file_cases(history: History) -> Iterable[str]:
    mode = history.contract.update_mode
    outcomes = replay(history)
    names: set[str] = set()
    dates = [FIRST_BUSINESS_DATE]
    for number, (load, outcome) in enumerate(zip(history.loads, outcomes, strict=True), start=1):
        for file in load.files:
            status, code = outcome.verdicts[FileReference(number, file.name)]
            yield f"{mode} {file.kind} {status} {code or ''}".strip()
            if status == "applied" and file.name in names:
                yield f"correction of a {file.kind.replace('invoices', 'debts')} file applied"
            names.add(file.name)
        former = outcomes[number - 2].verdicts if number > 1 else {}
        for reference, verdict in former.items():
            if verdict.status == "held" and outcome.verdicts[reference].status == "superseded":
                yield f"{mode} held file overtaken"
        for decision in load.decisions:
            yield f"decision {outcome.verdicts[decision.file].status}"
            if outcome.verdicts[decision.file].status == "refused":
                yield f"{mode} invoices refused refused_by_operator"
        if load.invoices is None:
            yield "no debts file"
        else:
            if mode == "upsert" and load.invoices.business_date < max(dates):
                yield "late upsert file applied"
            dates.append(load.invoices.business_date)
        for known in outcome.debts.values():
            why = known.kept_because or ""
            yield f"{mode} debt {known.status} {known.file_status} {why}".strip()
    refused_rows = outcomes[-1].refused_rows.values()
    yield from (f"row {code}" for rows in refused_rows for _, code in rows)


def _event_cases(history: History) -> Iterable[str]:
    scheme = history.contract.customer_id_scheme
    events = [event for load in history.loads for event in load.events]
    former: dict[str, PaymentEvent] = {}
    debts_of: dict[str, set[Key]] = {}
    for each in events:
        if each.event_id in former:
            is_same = former[each.event_id] == each
            yield "event again" if is_same else "event id again with other content"
            continue
        if any(
            each.payment_id == other.payment_id and each.occurred_at < other.occurred_at
            for other in former.values()
        ):
            yield "event out of order"
        former[each.event_id] = each
        if each.status not in STATES:
            yield "event of unknown status"
            continue
        customer = normalize_customer_id(scheme, each.customer_id)
        assert customer is not None
        own = debts_of.setdefault(each.payment_id, set())
        own.add(Key(customer, normal_id(each.product_id), each.due_date))
        if len(own) == 2:
            yield "payment of several debts"
    yield from _money_cases(replay(history)[-1])


def _money_cases(outcome: Outcome) -> Iterable[str]:
    lines: dict[tuple[str, Key], list[str]] = {}
    currencies: dict[tuple[str, Key], set[str]] = {}
    for line in outcome.lines:
        if line.status != "en proceso de pago":
            lines.setdefault((line.payment_id, line.key), []).append(line.status)
            currencies.setdefault((line.payment_id, line.key), set()).add(line.currency)
    for told in lines.values():
        if told.count("reversado") == 2:
            yield "two reversals of parts in files"
        if told[:3] == ["autorizado", "reversado", "autorizado"]:
            yield "paid again after a reversal in files"
    yield from ("money of two currencies" for each in currencies.values() if len(each) > 1)
    for each, opening in outcome.exceptions.items():
        yield f"exception {each.code}"
        if not opening.is_open:
            yield f"exception closed {each.code}"
        if each.code == "partly_reversed":
            yield "reversal of a part"
        if each.code == "unknown_debt" and opening.is_open:
            yield "payment of no known debt"
        if each.code == "second_payment":
            yield "two authorized payments of one debt"


# --- R21-R25: payments files and exceptions ------------------------------------------------------


def said(outcome: Outcome) -> list[tuple[int, str, str, int]]:
    """The lines of all payments files as (day, payment, status, amount)."""
    return [
        (
            (line.business_date - FIRST_BUSINESS_DATE).days + 1,
            line.payment_id,
            line.status,
            int(line.amount),
        )
        for line in outcome.lines
    ]


def exceptions(outcome: Outcome, code: str) -> dict[tuple[str, str], Opening]:
    """The exceptions of a code: load and whether still open, by payment and product."""
    return {
        (each.payment_id, each.key.product_id): opening
        for each, opening in outcome.exceptions.items()
        if each.code == code
    }


def test_r23_authorized_once_in_process_each_day_reversed_as_a_new_line() -> None:
    loads = (
        Load(invoices(1, row("A")), events=(event("e1", "p1", "in_process"),)),
        Load(),
        Load(events=(event("e2", "p1", "authorized", hour=30),)),
        Load(),
        Load(events=(event("e3", "p1", "reversed", hour=80),)),
        Load(),
    )
    money = [(3, "p1", "autorizado", 1000), (5, "p1", "reversado", -1000)]
    in_process = [(1, "p1", "en proceso de pago", 1000), (2, "p1", "en proceso de pago", 1000)]
    assert said(after(REPLACE, *loads)) == in_process + money
    assert said(after(replace(REPLACE, payment_flow="instant"), *loads)) == money


def test_r23_the_instant_flow_says_nothing_of_nothing_given_back() -> None:
    loads = (
        Load(invoices(1, row("A")), events=(event("e1", "p1", "authorized", amount="0"),)),
        Load(events=(event("e2", "p1", "rejected", hour=30, amount="0"),)),
        Load(events=(event("e3", "p1", "authorized", hour=60, amount="0"),)),
    )
    told = [(1, "p1", "autorizado", 0), (2, "p1", "reversado", 0), (3, "p1", "autorizado", 0)]
    assert said(after(REPLACE, *loads)) == told
    assert said(after(replace(REPLACE, payment_flow="instant"), *loads)) == told[:1]


def test_r23_a_second_load_of_a_date_says_nothing_and_its_money_waits() -> None:
    loads = (
        Load(invoices(1, row("A"))),
        Load(events=(event("e1", "p1", "authorized"),)),
        Load(),
    )
    dates = [business_date(1), business_date(1), business_date(2)]
    first, second, third = replay(History(REPLACE, loads), dates)
    assert (said(first), said(second), said(third)) == ([], [], [(2, "p1", "autorizado", 1000)])
    assert exceptions(second, "unpublished_money") == {("p1", "A"): (2, True)}
    assert exceptions(third, "unpublished_money") == {("p1", "A"): (2, False)}


def test_r25_a_payment_of_an_unknown_debt_of_another_amount_and_a_second_one() -> None:
    outcome = after(
        REPLACE,
        Load(
            invoices(1, row("A"), row("B", amount="999")),
            events=(
                event("e1", "late", "authorized", "A", hour=2),
                event("e2", "soon", "authorized", "A", hour=1),
                event("e3", "less", "in_process", "B"),
                event("e4", "lost", "authorized", "C"),
            ),
        ),
        Load(events=(event("e5", "soon", "reversed", "A", hour=30),)),
    )
    assert exceptions(outcome, "second_payment") == {("late", "A"): (1, False)}
    assert exceptions(outcome, "amount_differs") == {("less", "B"): (1, True)}
    assert exceptions(outcome, "unknown_debt") == {("lost", "C"): (1, True)}


def test_r25_files_that_list_a_paid_debt_or_change_one_in_process() -> None:
    outcome = after(
        PATIENT,
        Load(
            invoices(1, row("A"), row("B"), row("C")),
            events=(
                event("e1", "p1", "authorized", "A"),
                event("e2", "p2", "in_process", "B"),
                event("e3", "p3", "in_process", "C"),
            ),
        ),
        Load(invoices(2, row("A"), row("B", amount="7"))),
        Load(invoices(3, row("B", amount="7"))),
    )
    assert exceptions(outcome, "listed_after_paid") == {("", "A"): (2, False)}
    assert exceptions(outcome, "changed_in_process") == {("p2", "B"): (2, True)}


def test_r25_an_own_payment_of_another_amount_is_an_exception_zero_too() -> None:
    told = own_payments(1, ("A", "1000"), ("B", "999.99"), ("C", "0"), ("D", ""), ("E", "400"))
    more = own_payments(2, ("E", "600"))
    debts_file = invoices(1, *(row(product_id) for product_id in "ABCDE"))
    first, second = replay(
        History(REPLACE, (Load(debts_file, payments=(told,)), Load(payments=(more,))))
    )
    assert statuses(first) == dict.fromkeys("ABCDE", "paid")
    assert exceptions(first, "amount_differs") == {("", each): (1, True) for each in "BCE"}
    assert exceptions(second, "amount_differs")["", "E"] == (1, False)


def test_r25_a_negative_row_of_the_own_payments_file_takes_back_what_it_paid() -> None:
    outcomes = replay(
        History(
            REPLACE,
            (
                Load(
                    invoices(1, *(row(product_id) for product_id in "ABCD")),
                    payments=(own_payments(1, ("A", "1000"), ("B", "1000"), ("C", "1000")),),
                    events=(event("e1", "p1", "authorized", "C"),),
                ),
                Load(
                    payments=(
                        own_payments(2, ("A", "-1000"), ("B", "400-"), ("C", "-1000"), ("D", "-5")),
                    )
                ),
                Load(payments=(own_payments(3, ("A", "1000")),)),
            ),
        )
    )
    paid = {"A": "paid", "B": "paid", "C": "paid", "D": "pending"}
    assert [statuses(each) for each in outcomes] == [paid, {**paid, "A": "pending"}, paid]
    assert exceptions(outcomes[2], "taken_back") == {
        ("", "A"): (2, False),
        ("", "B"): (2, True),
        ("", "C"): (2, False),
        ("", "D"): (2, True),
    }
    assert exceptions(outcomes[2], "amount_differs") == {("", "B"): (2, True)}


def test_r25_a_refused_row_of_the_own_payments_file_pays_unless_its_amount_looks_negative() -> None:
    amounts = {"A": "-1000x", "B": "1000x-", "C": "1000x", "D": "1000", "E": "1.000.-"}
    told = own_payments(1, *amounts.items())
    patient = replace(REPLACE, max_rejected_share=Decimal(1))
    outcome = after(patient, Load(invoices(1, *map(row, amounts)), payments=(told,)))
    assert statuses(outcome) == {
        "A": "pending",
        "B": "pending",
        "C": "paid",
        "D": "paid",
        "E": "paid",
    }


def test_r25_business_days_pass_over_weekends_and_bank_holidays() -> None:
    assert count_business_days(date(2026, 4, 2), date(2026, 4, 6)) == 1  # Easter
    assert count_business_days(date(2026, 12, 30), date(2027, 1, 4)) == 1
    assert count_business_days(date(2026, 3, 2), date(2026, 3, 2)) == 0


def test_r23_a_reversal_is_told_by_what_was_given_back_since_the_last_file() -> None:
    outcome = after(
        REPLACE,
        Load(invoices(1, row("A")), events=(event("e1", "p1", "authorized"),)),
        Load(events=(event("e2", "p1", "reversed", hour=30, amount="250"),)),
        Load(
            events=(
                event("e3", "p1", "reversed", hour=50, amount="100"),
                event("e4", "p1", "reversed", hour=51, amount="50"),
            )
        ),
        Load(events=(event("e5", "p1", "reversed", hour=80, amount="600"),)),
        Load(events=(event("e6", "p1", "authorized", hour=100),)),
    )
    assert said(outcome) == [
        (1, "p1", "autorizado", 1000),
        (2, "p1", "reversado", -250),
        (3, "p1", "reversado", -150),
        (4, "p1", "reversado", -600),
        (5, "p1", "autorizado", 1000),
    ]
    assert statuses(outcome) == {"A": "paid"}


@given(histories())
@relaxed
def test_r23_after_its_publication_what_is_said_of_a_payment_is_what_stands_of_it(
    history: History,
) -> None:
    for number, outcome in enumerate(replay(history), start=1):
        assert not any(
            opening.is_open
            for each, opening in outcome.exceptions.items()
            if each.code == "unpublished_money"
        )
        told: Counter[tuple[str, Key, str]] = Counter()
        for line in outcome.lines:
            if line.status != "en proceso de pago":
                told[line.payment_id, line.key, line.currency] += line.amount  # type: ignore[assignment]
                assert (line.amount > 0) == (line.status == "autorizado") or not line.amount
        assert min(told.values(), default=0) >= 0
        today = [line for line in outcome.lines if line.business_date == business_date(number)]
        assert len({(line[1:4], line.currency) for line in today}) == len(today)
