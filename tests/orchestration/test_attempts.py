"""What the views over the delivery ledger make of any ledger, and in how much work (R24)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from itertools import groupby
from random import Random
from typing import Any

import duckdb
import pytest

from orchestration.delivery.outgoing import DELIVERED, LEFT_TO_PEOPLE
from orchestration.installation import warehouse
from orchestration.installation.home import Home
from tests.orchestration.publications import make_views

OUTCOMES = (*DELIVERED, *LEFT_TO_PEOPLE, "begun", "unreachable")
KINDS = {
    "payments.csv": "payments_file",
    "payments.json": "payments_manifest",
    "invoices.csv.result.csv": "intake_result",
}
# One of them has no contract any more.
ORGANIZATIONS = ("lumina", "andes_seguros", "gone")
LOADS = 6
BEGAN_AT = datetime(2026, 3, 1, 8)

Row = dict[str, Any]


@pytest.fixture
def connection(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with warehouse.connect(home) as connection:
        make_views(connection)
        yield connection


def _date_of(load_id: int) -> date:
    return date(2026, 3, 1) + timedelta(days=load_id)


def _make_ledger(random: Random) -> tuple[list[Row], list[Row]]:
    """Files that belong in an outbox, and attempts to deliver them and others."""
    files, attempts = [], []
    for organization_id in ORGANIZATIONS:
        for name, kind in KINDS.items():
            for load_id in random.sample(range(1, LOADS + 1), random.randint(0, 3)):
                file = {
                    "organization_id": organization_id,
                    "business_date": _date_of(load_id),
                    "load_id": load_id,
                    "file_name": name,
                    "kind": kind,
                }
                if random.random() < 0.8:
                    files.append({**file, "delivery_order": 1})
                attempts += [
                    {
                        **file,
                        "batch_id": batch_id,
                        "sha256": f"{batch_id:064x}",
                        "byte_count": batch_id,
                        "attempted_at": BEGAN_AT + timedelta(minutes=random.randint(0, 99)),
                        "outcome": random.choice(OUTCOMES),
                        "detail": random.choice([None, "why"]),
                        "is_in_doubt": random.random() < 0.3,
                    }
                    for batch_id in random.sample(range(1, 20), random.randint(0, 4))
                ]
    random.shuffle(attempts)
    return files, attempts


def _sum_up(attempts: list[Row]) -> Row:
    """What all attempts to deliver one file come to, read one after the other."""
    attempts = sorted(attempts, key=lambda each: each["batch_id"])
    delivered = [each for each in attempts if each["outcome"] in DELIVERED]
    left = [each for each in attempts if each["outcome"] in LEFT_TO_PEOPLE]
    standing = (delivered or left or attempts)[-1]
    times = [each["attempted_at"] for each in attempts]
    return {
        **{name: value for name, value in standing.items() if name != "attempted_at"},
        "attempt_count": len(attempts),
        "first_attempted_at": min(times),
        "last_attempted_at": max(times),
        "delivered_at": min((each["attempted_at"] for each in delivered), default=None),
        "is_late": attempts[0]["outcome"] not in DELIVERED,
        "is_delivered": bool(delivered),
        "is_left_to_people": not delivered and bool(left),
        "is_in_doubt": attempts[-1]["is_in_doubt"],
    }


def _expect(files: list[Row], attempts: list[Row]) -> list[Row]:
    """The row of each file and name for an outbox, that of its newest load."""

    def key(row: Row) -> tuple[str, str, int]:
        return row["organization_id"], row["file_name"], row["load_id"]

    summed = {each: _sum_up(list(those)) for each, those in groupby(sorted(attempts, key=key), key)}
    listed = {key(file): file for file in files}
    newest: dict[tuple[str, str], Row] = {}
    for each in sorted({*summed, *listed}):
        is_published, tried = each in listed and each[2] < LOADS, summed.get(each)
        state = tried or {"is_delivered": False, "is_left_to_people": False, "is_in_doubt": False}
        is_owed = not state["is_delivered"]
        newest[each[:2]] = {
            "attempt_count": 0,
            "is_late": False,
            **listed.get(each, {}),
            **state,
            "line_count": 7 if each[1].startswith("payments") else None,
            "is_published": is_published,
            "is_due": is_published
            and is_owed
            and (state["is_in_doubt"] or not state["is_left_to_people"]),
            "is_undelivered": each[0] != "gone" and is_owed and (is_published or tried is not None),
        }
    return list(newest.values())


@pytest.mark.parametrize("seed", range(20))
def test_a_delivery_is_what_its_attempts_come_to_whatever_their_order(
    connection: duckdb.DuckDBPyConnection, seed: int
) -> None:
    files, attempts = _make_ledger(Random(seed))
    for load_id in range(1, LOADS + 1):
        finished_at = BEGAN_AT if load_id < LOADS else None  # the newest load is not finished
        connection.execute(
            "insert into raw.loads values (?, ?, ?, '', ?)",
            [load_id, BEGAN_AT, _date_of(load_id), finished_at],
        )
        connection.execute(
            "insert into intermediate.int_payments_files__totaled by name"
            " select unnest(?) as organization_id, ? as business_date, ? as load_id,"
            " 7 as line_count",
            [[*ORGANIZATIONS], _date_of(load_id), load_id],
        )
    warehouse.insert(connection, "deliveries", attempts)
    for file in files:
        connection.execute(
            "insert into intermediate.outgoing_files by name select $organization_id as"
            " organization_id, $business_date as business_date, $load_id as load_id,"
            " $file_name as file_name, $kind as kind, $delivery_order as delivery_order",
            file,
        )
    expected = _expect(files, attempts)
    assert expected
    found = connection.execute("select * from main.deliveries")
    names = [column[0] for column in found.description or ()]
    rows = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
    assert {(row["organization_id"], row["file_name"]): row for row in rows} == {
        (row["organization_id"], row["file_name"]): {
            **dict.fromkeys(names),
            **row,
            "published_at": BEGAN_AT if "delivery_order" in row else None,
        }
        for row in expected
    }
    assert len(rows) == len(expected)


def test_the_deliveries_are_read_without_comparing_each_row_with_each_other_one(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """A ledger of years has half a million rows."""
    plan = connection.execute(
        "explain select count(*), sum(hash(content)::hugeint) from main.deliveries as content"
    ).fetchall()[0][1]
    assert "HASH_JOIN" in plan
    assert [word for word in ("NL_JOIN", "NESTED_LOOP", "CROSS_PRODUCT") if word in plan] == []
