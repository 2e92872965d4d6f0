"""Nights on which Chile changes its clocks: a date of 25 hours, and one of 23 that has no midnight.

The schedule is asked every half hour from one midnight on; what it asks for is run. Lumina's
cut-off is at midnight, that of Andes Seguros half an hour later, and Colegio Pehuén is in a zone
that does not change its clocks any more (R11, R22, R23).
"""

from __future__ import annotations

import csv
import json
from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from orchestration.definitions import defs
from orchestration.defs.schedules import cut_offs
from orchestration.devtools.demo.samples import DAYS, files_of, lumina_debts
from tests.orchestration.installations import Installed, install

CUT_OFFS = {"lumina": "00:00", "andes_seguros": "00:30", "colegio_pehuen": "05:00"}


@pytest.mark.parametrize(
    ("day", "hours", "midnight", "payments"),
    [
        (
            date(2026, 4, 4),
            25,
            "2026-04-04T03:00:00Z",
            # half past eleven comes twice
            {
                "2026-04-05T02:30:00Z": "2026-04-04",
                "2026-04-05T03:30:00Z": "2026-04-04",
                "2026-04-05T04:00:00Z": "2026-04-05",
            },
        ),
        (
            date(2026, 9, 6),
            23,
            "2026-09-06T04:00:00Z",
            # after one second before midnight it is one o'clock
            {
                "2026-09-06T03:59:59Z": "2026-09-05",
                "2026-09-06T04:00:00Z": "2026-09-06",
                "2026-09-07T02:59:59Z": "2026-09-06",
            },
        ),
    ],
    ids=["the night is an hour longer", "the night is an hour shorter"],
)
def test_each_date_is_run_once_and_each_payment_told_once_for_its_date_on_the_wall(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    day: date,
    hours: int,
    midnight: str,
    payments: dict[str, str],
) -> None:
    tomorrow = day + timedelta(days=1)
    first = datetime.fromisoformat(midnight)
    asked: list[tuple[datetime, str]] = []
    with install(tmp_path, Installed) as site:
        _set_cut_offs(site.home.seeds / "organizations.csv")
        for name, value in site.home.environment().items():
            monkeypatch.setenv(name, value)
        repository = defs().get_repository_def()
        _leave_files(site, day)
        for number in range(2 * hours + 20):
            now = first + timedelta(minutes=30 * number)
            with (
                dg.DagsterInstance.get() as instance,
                dg.build_schedule_context(instance, now, repository_def=repository) as context,
            ):
                requests = cut_offs.evaluate_tick(context).run_requests or ()
            for request in requests:
                asked.append((now, str(request.partition_key)))
                ran = site.command("run", "--date", str(request.partition_key))
                assert ran.returncode == 0, ran.stdout + ran.stderr
            if number == 0:
                _leave_files(site, tomorrow)
                _leave_payments(site, list(payments))
        told = site.query(
            "select payment_id, business_date::varchar, paid_on::varchar from payments_file_lines"
            " order by payment_id"
        )
    assert asked == [(first, f"{day}"), (first + timedelta(hours=hours), f"{tomorrow}")]
    assert told == [(at, f"{tomorrow}", paid_on) for at, paid_on in sorted(payments.items())]


def _set_cut_offs(contracts: Path) -> None:
    with contracts.open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    with contracts.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({**row, "cutoff_time": CUT_OFFS[row["organization_id"]]})


def _leave_files(site: Installed, day: date) -> None:
    """The same debts on each date."""
    for file in files_of(DAYS[0]):
        name = file.name.replace(f"{DAYS[0]}", f"{day}")
        (site.server_root / file.organization_id / "inbox" / name).write_bytes(file.content)


def _leave_payments(site: Installed, instants: list[str]) -> None:
    """A payment of a debt of Lumina at each instant, by which it is called."""
    debts = lumina_debts()
    lines = [
        json.dumps(
            {
                "event_id": at,
                "occurred_at": at,
                "organization_id": "lumina",
                "payment_id": at,
                "customer_id": debts[number].customer_id,
                "product_id": debts[number].product_id,
                "due_date": debts[number].due_date.isoformat(),
                "amount": f"{debts[number].amount}",
                "currency": "CLP",
                "channel": "webpay",
                "status": "authorized",
            }
        )
        for number, at in enumerate(instants, start=1)
    ]
    (site.home.events / "night.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
