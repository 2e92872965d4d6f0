"""Three business dates of the sample organizations, from inbox to outbox, over a real SFTP server.

The days run by the command that operators use, each in a process of its own. What is expected is
written down here from the story, not taken from the program.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest

from orchestration.devtools.demo.samples import (
    DAYS,
    Debt,
    andes_seguros_debts,
    colegio_pehuen_debts,
    lumina_debts,
)
from orchestration.installation.home import PROJECT
from tests.orchestration.installations import Installed, install

Row = tuple[str, str, date, Decimal, str, bool, str | None, str | None]

PAYMENTS_FILES = {
    DAYS[0]: {
        "lumina": """\
customer_id,product_id,due_date,channel,status,amount,payment_id,date
19153032-2,LUZ-001,2026-03-22,Cargo en cuenta (PAC),en proceso de pago,31400.00,pay-0001,2026-03-01
24830060-4,LUZ-002,2026-04-06,Cargo en cuenta (PAC),en proceso de pago,80500.00,pay-0002,2026-03-01
18441919-K,LUZ-003,2026-03-07,Cargo en cuenta (PAC),en proceso de pago,71400.00,pay-0003,2026-03-01
24041903-3,LUZ-004,2026-04-06,Webpay,autorizado,45100.00,pay-0004,2026-03-01
""",
        "andes_seguros": """\
customer_id;product_id;due_date;channel;amount;payment_id;date
15521925-4;POL-7001;28-03-2026;Transferencia Khipu;25400,00;pay-0005;01-03-2026
19764052-9;POL-7002;17-03-2026;Servipag;42100,00;pay-0006;01-03-2026
""",
        "colegio_pehuen": """\
customer_id|product_id|due_date|channel|status|amount|payment_id|date
""",
    },
    DAYS[1]: {
        "lumina": """\
customer_id,product_id,due_date,channel,status,amount,payment_id,date
19153032-2,LUZ-001,2026-03-22,Cargo en cuenta (PAC),en proceso de pago,31400.00,pay-0001,2026-03-01
24830060-4,LUZ-002,2026-04-06,Cargo en cuenta (PAC),autorizado,80500.00,pay-0002,2026-03-02
""",
        "andes_seguros": """\
customer_id;product_id;due_date;channel;amount;payment_id;date
8930225-0;POL-7003;30-03-2026;Webpay;20500,00;pay-0007;02-03-2026
""",
        "colegio_pehuen": """\
customer_id|product_id|due_date|channel|status|amount|payment_id|date
AL-0001|MENS-4|24/03/2026|Cargo en tarjeta (PAT)|en proceso de pago|81900.00|pay-0008|02/03/2026
AL-0002|MENS-5|07/04/2026|caja_los_andes|autorizado|75300.00|pay-0009|02/03/2026
""",
    },
    DAYS[2]: {
        "lumina": """\
customer_id,product_id,due_date,channel,status,amount,payment_id,date
24041903-3,LUZ-004,2026-04-06,Webpay,reversado,-45100.00,pay-0004,2026-03-03
""",
        "andes_seguros": """\
customer_id;product_id;due_date;channel;amount;payment_id;date
24122859-2;POL-7004;04-04-2026;Webpay;60500,00;pay-0010;02-03-2026
""",
        "colegio_pehuen": """\
customer_id|product_id|due_date|channel|status|amount|payment_id|date
AL-0001|MENS-4|24/03/2026|Cargo en tarjeta (PAT)|autorizado|81900.00|pay-0008|03/03/2026
""",
    },
}


class Installation(Installed):
    """The sample installation between two days."""

    def run(self, day: date) -> subprocess.CompletedProcess[str]:
        """`make run DATE=day`."""
        return self.command("run", "--date", day.isoformat())

    def debts(self) -> dict[str, list[Row]]:
        """The table `debts` by organization, each in key order."""
        rows: dict[str, list[Row]] = {}
        for organization_id, *row in self.query(
            """
            select
                organization_id, customer_id, product_id, due_date, amount, status, is_in_base,
                kept_because, payment_id
            from debts order by all
            """
        ):
            rows.setdefault(str(organization_id), []).append(tuple(row))  # type: ignore[arg-type]
        return rows


@pytest.fixture(scope="module")
def first_day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with install(tmp_path_factory.mktemp("first"), Installation, days=1) as installed:
        yield installed


@pytest.fixture(scope="module")
def second_day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with install(tmp_path_factory.mktemp("second"), Installation, days=2) as installed:
        yield installed


@pytest.fixture(scope="module")
def third_day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with install(tmp_path_factory.mktemp("third"), Installation, days=3) as installed:
        yield installed


def test_the_first_day_makes_every_valid_row_a_debt(first_day: Installation) -> None:
    assert first_day.debts() == {
        "lumina": _rows(
            lumina_debts(),
            range(1, 121),
            in_process={1: "pay-0001", 2: "pay-0002", 3: "pay-0003"},
            paid={4: "pay-0004"},
        ),
        "andes_seguros": _rows(
            andes_seguros_debts(), range(1, 81), paid={1: "pay-0005", 2: "pay-0006"}
        ),
        "colegio_pehuen": _rows(colegio_pehuen_debts(), range(1, 61)),
    }
    _assert_outboxes(first_day, DAYS[0])


def test_the_first_day_tells_which_rows_were_refused_and_why(first_day: Installation) -> None:
    assert first_day.query(
        "select organization_id, line_number, code from intake_rejections"
        f" where business_date = '{DAYS[0]}' order by all"
    ) == [
        ("andes_seguros", 82, "negative_amount"),
        ("andes_seguros", 83, "invalid_due_date"),
        ("lumina", 122, "invalid_rut"),
    ]


def test_the_second_day_replaces_updates_keeps_and_holds(second_day: Installation) -> None:
    assert second_day.debts() == {
        "lumina": _rows(
            lumina_debts(),
            range(1, 127),
            raised=dict.fromkeys(range(10, 15), 1500),
            in_process={1: "pay-0001"},
            paid={2: "pay-0002", 4: "pay-0004"},
            withdrawn=range(5, 10),
            kept={1: "in_process", 15: "rejected_row"},
        ),
        "andes_seguros": _rows(
            andes_seguros_debts(),
            range(1, 86),
            raised=dict.fromkeys(range(10, 20), 990),
            paid={1: "pay-0005", 2: "pay-0006", 3: "pay-0007"},
        ),
        "colegio_pehuen": _rows(
            colegio_pehuen_debts(),
            range(1, 61),
            in_process={1: "pay-0008"},
            paid={2: "pay-0009"},
        ),
    }
    assert second_day.query(
        "select organization_id, status, code from intake_files"
        f" where business_date = '{DAYS[1]}' order by all"
    ) == [
        ("andes_seguros", "applied", None),
        ("colegio_pehuen", "held", "too_many_withdrawals"),
        ("lumina", "applied", None),
    ]
    _assert_outboxes(second_day, DAYS[1])


def test_the_third_day_withdraws_the_rejected_returns_the_reversed_and_says_the_late(
    third_day: Installation,
) -> None:
    assert third_day.debts() == {
        "lumina": _rows(
            lumina_debts(),
            range(1, 127),
            raised=dict.fromkeys(range(10, 15), 1500),
            paid={2: "pay-0002"},
            withdrawn=[1, *range(5, 10)],
            void=[17],
        ),
        "andes_seguros": _rows(
            andes_seguros_debts(),
            range(1, 86),
            raised=dict.fromkeys(range(10, 20), 990),
            paid={1: "pay-0005", 2: "pay-0006", 3: "pay-0007", 4: "pay-0010"},
        ),
        "colegio_pehuen": _rows(
            colegio_pehuen_debts(), range(1, 63), paid={1: "pay-0008", 2: "pay-0009"}
        ),
    }
    _assert_outboxes(third_day, DAYS[2])


def test_a_day_run_again_changes_no_row_and_no_byte(third_day: Installation) -> None:
    debts = third_day.query("select * from debts order by all")
    history = third_day.query("select * from debts_history order by all")
    files = _outbox_bytes(third_day)
    result = third_day.run(DAYS[2])
    assert result.returncode == 0, result.stdout + result.stderr
    assert third_day.query("select * from debts order by all") == debts
    assert third_day.query("select * from debts_history order by all") == history
    assert _outbox_bytes(third_day) == files


def test_the_base_of_a_past_instant_is_the_base_of_that_day(third_day: Installation) -> None:
    bases = third_day.query(
        f"""
        select business_date, count(*) filter (is_in_base), sum(amount) filter (is_in_base)
        from (select distinct business_date, judged_at from intake_files) as files
        cross join lateral (select * from debts_history) as history
        where
            history.dbt_valid_from <= files.judged_at
            and coalesce(history.dbt_valid_to > files.judged_at, true)
            and business_date <= '{DAYS[2]}'
        group by all order by all
        """
    )
    assert [(day, count) for day, count, _ in bases] == [
        (DAYS[0], 119 + 78 + 60),
        (DAYS[1], 119 + 82 + 59),
        (DAYS[2], 118 + 81 + 60),
    ]
    judged_at = third_day.query(
        f"select min(judged_at) from intake_files where business_date = '{DAYS[0]}'"
    )[0][0]
    assert third_day.query(
        f"select count(*) filter (is_in_base) from debts_as_of('{judged_at}'::timestamp)"
    ) == [(119 + 78 + 60,)]


def test_the_exceptions_of_the_three_days_are_these(third_day: Installation) -> None:
    assert third_day.query(
        """
        select organization_id, code, payment_id, opened_on, is_open
        from payment_exceptions order by all
        """
    ) == [
        ("colegio_pehuen", "unknown_channel", "pay-0009", DAYS[1], True),
        ("lumina", "listed_after_paid", "pay-0002", DAYS[2], True),
        ("lumina", "listed_after_paid", "pay-0004", DAYS[1], False),
    ]


def test_the_days_of_lumina_balance_as_its_story_tells(third_day: Installation) -> None:
    assert third_day.query(
        """
        select
            business_date, opening_count, new_count, returned_count, paid_count, withdrawn_count,
            void_count, closing_count, changed_count, changed_amount, received_amount,
            published_amount, closing_held_amount
        from daily_balance where organization_id = 'lumina' order by business_date
        """
    ) == [
        (DAYS[0], 0, 120, 0, 1, 0, 0, 119, 0, 0, 45100, 45100, 0),
        (DAYS[1], 119, 6, 0, 1, 5, 0, 119, 5, 7500, 80500, 80500, 0),
        (DAYS[2], 119, 0, 1, 0, 1, 1, 118, 0, 0, -45100, -45100, 0),
    ]


def test_the_deliveries_of_the_three_days_are_the_files_in_the_outboxes(
    third_day: Installation,
) -> None:
    """R24, R28: the published copy shows what has just been delivered, with its hash."""
    there = [
        (path.parts[0], path.name, hashlib.sha256(content).hexdigest(), len(content), True, False)
        for path, content in (
            (path.relative_to(third_day.server_root), path.read_bytes())
            for path in third_day.server_root.rglob("outbox/*")
        )
    ]
    assert third_day.query(
        "select organization_id, file_name, sha256, byte_count, is_delivered, is_late"
        " from deliveries order by organization_id, file_name"
    ) == sorted(there)
    assert third_day.query("select count(*) from deliveries where is_due or is_undelivered") == [
        (0,)
    ]


def test_the_days_of_each_organization_are_what_the_other_tables_say(
    third_day: Installation,
) -> None:
    assert third_day.query(
        """
        select
            organization_id, business_date, base_count, base_amount, other_currency_count,
            told_line_count, delivered_file_count, payments_file_delivered_at is not null
        from organization_days order by all
        """
    ) == third_day.query(
        """
        select
            balance.organization_id, balance.business_date, closing_count, closing_amount, 0,
            (
                select count(*) from payments_file_lines as lines
                where (lines.organization_id, lines.business_date)
                    = (balance.organization_id, balance.business_date)
            ),
            (
                select count(*) from deliveries
                where (deliveries.organization_id, deliveries.business_date)
                    = (balance.organization_id, balance.business_date)
            ),
            true
        from daily_balance as balance order by all
        """
    )


QUESTIONS = re.findall(
    r"^## \d+\. (.+?)\n.*?```sql\n(.+?)\n```\n\n(.+?)\n(?:\n|\Z)",
    (PROJECT / "docs" / "questions.md").read_text(encoding="utf-8"),
    re.DOTALL | re.MULTILINE,
)


def test_the_documented_questions_are_fifteen() -> None:
    assert len(QUESTIONS) == 15


@pytest.mark.parametrize(("question", "sql", "answer"), QUESTIONS)
def test_each_documented_question_has_the_documented_answer(
    third_day: Installation, question: str, sql: str, answer: str
) -> None:
    with duckdb.connect(str(third_day.home.analytics), read_only=True) as connection:
        result = connection.execute(sql)
        names = [column[0] for column in result.description or []]
        rows = [["" if value is None else str(value) for value in row] for row in result.fetchall()]
    table = [names, ["---"] * len(names), *rows]
    assert "\n".join(f"| {' | '.join(row)} |" for row in table) == answer.rstrip("\n"), question


def test_what_comes_after_the_publication_of_its_date_waits_for_the_next(
    third_day: Installation,
) -> None:
    """It goes on to a fourth date."""
    files = _outbox_bytes(third_day)
    debt, next_day = andes_seguros_debts()[5], DAYS[2] + timedelta(days=1)
    event = {
        "event_id": "evt-late",
        "occurred_at": f"{DAYS[2]}T10:00:00-03:00",
        "organization_id": "andes_seguros",
        "payment_id": "pay-late",
        "customer_id": debt.customer_id,
        "product_id": debt.product_id,
        "due_date": debt.due_date.isoformat(),
        "amount": debt.amount,
        "currency": "CLP",
        "channel": "khipu",
        "status": "authorized",
        "reason": None,
    }
    (third_day.home.events / "late.jsonl").write_text(json.dumps(event) + "\n", encoding="utf-8")
    held = """
        select payment_id, held_amount, opened_on, is_open from payment_exceptions
        where code = 'unpublished_money'
    """

    result = third_day.run(DAYS[2])
    assert result.returncode == 0, result.stdout + result.stderr
    assert _outbox_bytes(third_day) == files
    assert third_day.query(held) == [("pay-late", debt.amount, DAYS[2], True)]

    result = third_day.run(next_day)
    assert result.returncode == 0, result.stdout + result.stderr
    said = third_day.home.outbox / "andes_seguros" / f"{next_day}_toku_payments.csv"
    assert said.read_text(encoding="utf-8") == (
        "customer_id;product_id;due_date;channel;amount;payment_id;date\n"
        f"{debt.customer_id};{debt.product_id};{debt.due_date:%d-%m-%Y};Transferencia Khipu;"
        f"{debt.amount},00;pay-late;{DAYS[2]:%d-%m-%Y}\n"
    )
    assert third_day.query(held) == [("pay-late", 0, DAYS[2], False)]
    after = _outbox_bytes(third_day)
    assert {path: after[path] for path in files} == files


def test_a_date_of_before_the_first_is_a_day_of_its_own(third_day: Installation) -> None:
    """Last in this file: an operator runs a date that nobody ran when it was due."""
    days = "select organization_id, business_date, base_count from organization_days"
    former, past = set(third_day.query(days)), DAYS[0] - timedelta(days=1)
    result = third_day.run(past)
    assert result.returncode == 0, result.stdout + result.stderr
    base = third_day.query(
        "select organization_id, count(*) from debts where is_in_base group by all"
    )
    rows = third_day.query(days)
    assert set(rows) - former == {(name, past, count) for name, count in base}
    assert former <= set(rows)
    assert len(rows) == len(former) + len(base)


def _rows(
    debts: dict[int, Debt],
    numbers: range,
    *,
    raised: dict[int, int] | None = None,
    in_process: dict[int, str] | None = None,
    paid: dict[int, str] | None = None,
    withdrawn: range | list[int] = range(0),
    void: list[int] | None = None,
    kept: dict[int, str] | None = None,
) -> list[Row]:
    """The rows that the story asks for, from the debts as their organization knows them."""
    payments = {**(in_process or {}), **(paid or {})}

    def status(number: int) -> str:
        states = {"in_process": in_process, "paid": paid, "withdrawn": withdrawn, "void": void}
        return next((name for name, which in states.items() if number in (which or ())), "pending")

    return sorted(
        (
            debts[number].customer_id,
            debts[number].product_id,
            debts[number].due_date,
            Decimal(debts[number].amount + (raised or {}).get(number, 0)),
            status(number),
            status(number) in {"pending", "in_process"},
            (kept or {}).get(number),
            payments.get(number),
        )
        for number in numbers
    )


def _assert_outboxes(installed: Installation, day: date) -> None:
    expected = {name: text.encode() for name, text in PAYMENTS_FILES[day].items()}
    local = {
        name: (installed.home.outbox / name / f"{day}_toku_payments.csv").read_bytes()
        for name in expected
    }
    assert local == expected
    assert {
        name: (installed.server_root / name / "outbox" / f"{day}_toku_payments.csv").read_bytes()
        for name in expected
    } == expected


def _outbox_bytes(installed: Installation) -> dict[Path, bytes]:
    return {
        path: path.read_bytes()
        for folder in (installed.home.outbox, installed.server_root)
        for path in folder.rglob("*_toku_payments.csv")
    }
