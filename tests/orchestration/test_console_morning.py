"""A whole morning in the console: forty organizations, five of which need somebody.

On Monday all goes well. On Tuesday one file is held, one is refused, one is missing, one server is
down, and a payment has been in process for too long. The operator sees the worst first, approves
the held file, sees it applied, and looks at the debt that was kept.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Page

from orchestration.devtools.loopback_sftp import free_port
from orchestration.installation import locking
from orchestration.pages import today
from tests.orchestration.consoles import MORNING
from tests.orchestration.houses import csv_of
from tests.orchestration.installations import DAY, Deposit, Ran, one_run, organization_of
from tests.orchestration.oracle import text_of_rut
from tests.orchestration.serving import Served, follow, forked_loads, serve_pages, table_rows

TUESDAY = "2026-03-03"
HELD, REFUSED, MISSING, DOWN, STUCK = (
    "Cuenta 07",
    "Cuenta 13",
    "Cuenta 21",
    "Cuenta 28",
    "Cuenta 34",
)
NAMES = [f"Cuenta {number:02d}" for number in range(1, 41)]
WELL = [name for name in NAMES if name not in (HELD, REFUSED, MISSING, DOWN, STUCK)]
HEADER = ["rut", "producto", "fecha_vencimiento", "monto"]
DEBTS = [[text_of_rut(n), f"P-{n}", "2026-03-20", str(n * 1000)] for n in range(1, 7)]
# What the first page says that there is to do, the worst first.
NEEDS = [
    f"{MISSING}: No debts file came by the cut-off, 05:00 (America/Santiago). See it"
    " python -m orchestration check case_cuenta_21",
    f"{HELD}: Files held: 1. See it and decide",
    f"{REFUSED}: The debts file was refused: missing_column See it",
    f"{DOWN}: The inbox could not be read: unreachable"
    " python -m orchestration check case_cuenta_28",
    f"{DOWN}: Files not delivered: 2. python -m orchestration run --date {TUESDAY}",
    f"{STUCK}: Payments in process for too long: 1. See it",
    f"{STUCK}: Open exceptions: 1, the oldest since then. See it",
]
# Nothing of Tuesday's file but the first debt: five would be withdrawn, one of which is being paid.
SHORT = [HEADER, DEBTS[0]]
KEPT = DEBTS[5]


def _event(name: str, occurred_at: str) -> str:
    """A payment of the last debt of an organization that is in process."""
    customer_id, product_id, due_date, amount = KEPT
    return json.dumps(
        {
            "event_id": f"event of {name}",
            "occurred_at": occurred_at,
            "organization_id": organization_of(name),
            "payment_id": f"pago-{name[-2:]}",
            "customer_id": customer_id,
            "product_id": product_id,
            "due_date": due_date,
            "amount": amount,
            "currency": "CLP",
            "channel": "pac",
            "status": "in_process",
        }
    )


@pytest.fixture(scope="module")
def tuesday(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    """The installation after Tuesday's run."""
    root = tmp_path_factory.mktemp("forty")
    events = root / "home" / "events"
    events.mkdir(parents=True)
    lines = [_event(HELD, f"{DAY}T08:00:00-03:00"), _event(STUCK, "2026-02-02T08:00:00-03:00")]
    (events / f"{DAY}.jsonl").write_text("".join(f"{line}\n" for line in lines))
    monday = Deposit(csv_of([HEADER, *DEBTS]), {"payment_flow": "in_process"})
    with one_run(root, dict.fromkeys(NAMES, monday)) as ran:
        assert ran.command.returncode == 0, ran.command.stdout + ran.command.stderr
        contents = dict.fromkeys(NAMES, csv_of([HEADER, *DEBTS]))
        contents[HELD] = csv_of(SHORT)
        contents[REFUSED] = csv_of([row[:3] for row in (HEADER, *DEBTS)])
        del contents[MISSING]
        _leave(ran, contents)
        _move_server(ran.home.seeds / "organizations.csv", organization_of(DOWN))
        said = ran.again("run", "--date", TUESDAY)
        assert said.returncode == 1, said.stdout + said.stderr
        yield ran


def _leave(ran: Ran, contents: Mapping[str, bytes]) -> None:
    for name, content in contents.items():
        inbox = ran.server_root / organization_of(name) / "inbox"
        (inbox / f"{TUESDAY}_toku_invoices.csv").write_bytes(content)


def _move_server(path: Path, organization_id: str) -> None:
    """Have the contract of an organization name a port on which nobody answers."""
    port = free_port()
    with path.open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        for row in rows:
            is_down = row["organization_id"] == organization_id
            writer.writerow({**row, "sftp_port": str(port)} if is_down else row)


@pytest.fixture
def console(tuesday: Ran, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """The console on that morning, whose decisions reach the server."""
    monkeypatch.setattr(today, "utc_now", lambda: MORNING)
    for name, value in tuesday.environment.items():
        monkeypatch.setenv(name, value)
    with serve_pages(tuesday.home) as served, forked_loads():
        yield served


def _needs(page: Page) -> list[str]:
    """What there is to do, without the times and words of this machine."""
    needs = [" ".join(need.split()) for need in page.locator(".needs li").all_inner_texts()]
    return [
        re.sub(
            r"(unreachable) .* (python)", r"\1 \2", re.sub(r"since .* \(.*\)", "since then", need)
        )
        for need in needs
    ]


def test_a_morning_of_forty_organizations(
    console: Served, tuesday: Ran, page: Page, tmp_path: Path
) -> None:
    page.goto(f"{console.address}/?language=en")
    page.screenshot(path=tmp_path / "morning.png", full_page=True)
    assert page.get_by_role("heading", level=1).inner_text() == f"The day {TUESDAY}"
    assert page.locator(".message").inner_text() == "5 of 40 organizations need something."
    assert _needs(page) == NEEDS
    assert [row[0] for row in table_rows(page, "table.days")] == [
        MISSING,
        HELD,
        REFUSED,
        DOWN,
        STUCK,
        *WELL,
    ]

    follow(page.get_by_role("link", name="See it and decide"))
    assert table_rows(page, "table.differences") == [
        ["Unchanged debts", "1", "1,000 CLP", "1,000 CLP"],
        ["Withdrawn debts", "4", "14,000 CLP", "0 CLP"],
        ["Kept in process", "1", "6,000 CLP", "0 CLP"],
    ]
    assert table_rows(page, "table.withdrawals") == [
        [customer_id, product_id, due_date, f"{int(amount):,} CLP", "pending"]
        for customer_id, product_id, due_date, amount in reversed(DEBTS[1:5])
    ]
    follow(page.get_by_role("button", name="Approve"))
    page.get_by_text("Decided: approved").wait_for()
    # The page looks again by itself until it has happened.
    page.get_by_role("heading", name=f"{TUESDAY}_toku_invoices.csv applied").wait_for()
    page.wait_for_load_state()
    assert table_rows(page, "table.differences") == [
        ["Unchanged debts", "1", "1,000 CLP", "1,000 CLP"],
        ["Withdrawn debts", "4", "14,000 CLP", "0 CLP"],
        ["Kept in process", "1", "6,000 CLP", "0 CLP"],
    ]

    # The run goes on to deliver the answer, and publishes what came of it.
    with locking.exclusive(tuesday.home):
        follow(page.get_by_role("link", name="Today"))
    assert _needs(page) == [need for need in NEEDS if not need.startswith(HELD)]
    assert page.locator(".message").inner_text() == "4 of 40 organizations need something."
    follow(page.get_by_role("link", name="Find"))
    page.get_by_role("searchbox").fill("pago-07")
    follow(page.get_by_role("search").get_by_role("button"))
    follow(page.locator("table.debts a").first)
    assert page.get_by_role("heading", level=1).inner_text() == f"Debt {KEPT[1]} in process"
    assert page.locator(".why").inner_text() == (
        "It is in the base although the newest file does not list it as owed: its payment is"
        " in process."
    )
    life = [" ".join(each.split()) for each in page.locator(".life li div").all_inner_texts()]
    assert life == [
        "Payment pago-07: in process, 6,000 CLP, Cargo en cuenta (PAC)."
        " It happened at 2026-03-02 11:00.",
        f"The debt is in process, 6,000 CLP. Values of {DAY}_toku_invoices.csv, line 7."
        " Payment pago-07.",
        "Told to the organization: en proceso de pago, 6,000 CLP, Cargo en cuenta (PAC)."
        f" Payments file of {DAY}, line 1, payment pago-07.",
        "Told to the organization: en proceso de pago, 6,000 CLP, Cargo en cuenta (PAC)."
        f" Payments file of {TUESDAY}, line 1, payment pago-07.",
        "The debt is in process, 6,000 CLP. Kept because its payment is in process."
        f" Values of {DAY}_toku_invoices.csv, line 7. Payment pago-07.",
    ]
