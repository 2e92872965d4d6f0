"""The console on a morning with a held file.

Two days of the sample organizations were run, with a row more in each file of one of them, whose
texts are markup. On the second day the school's file is held.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import requests
from playwright.sync_api import Page

from orchestration.installation.home import Home
from tests.orchestration.installations import Installed, install
from tests.orchestration.serving import Served, follow
from tests.orchestration.starting import made_once

# With the exit status of the run of each: what is held is told.
_DAYS = {date(2026, 3, 2): 0, date(2026, 3, 3): 1}
TUESDAY = date(2026, 3, 3)
# After the cut-offs of that date.
MORNING = datetime(2026, 3, 3, 12, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>"
_HOSTILE_ROW = f"12.345.678-5,{HOSTILE},2026-03-30,1000,,<b>Eva</b> & Cía.,'><img src=x>\n"
FORM_TOKEN = re.compile(r'name="form_token" value="([^"]+)"')
# Two lines that two loads of Monday could not read.
REFUSED_EVENT_LINES = """
insert into refused_event_lines (
    source_file, line_number, code, message, refused_at, loaded_on, load_id
)
select
    'c.jsonl', line_number, 'missing_occurred_at', 'occurred_at is missing',
    timestamp '2026-03-02 12:00:00', date '2026-03-02', load_id
from unnest([1, 2]) as lines (line_number)
cross join unnest([1, 2]) as loads (load_id)
"""
# On Monday payments of one organization were refused, and customers of another and its debts of the
# day before. The others need nothing: one was refused by an operator, one was sent again and
# accepted, and one is of Tuesday.
REFUSED_FILES = """
insert into intake_files by name
select
    intake_files.* replace (
        refused.file_id as file_id,
        refused.kind as kind,
        refused.file_name as file_name,
        cast(intake_files.business_date + refused.days as date) as business_date,
        cast(intake_files.loaded_on + refused.days_loaded as date) as loaded_on,
        intake_files.load_id + refused.loads_later as load_id,
        refused.status as status,
        refused.code as code
    )
from intake_files
inner join (
    values
    ('andes_seguros', 'a000000000000001', 'payments', 'p.csv', 0, 0, 0, 'refused',
        'missing_column'),
    ('lumina', 'a000000000000002', 'customers', 'c.xlsx', 0, 0, 0, 'refused', 'empty_file'),
    ('lumina', 'a000000000000003', 'invoices', 'd.csv', -1, 0, 1, 'refused', 'missing_column'),
    ('colegio_pehuen', 'a000000000000004', 'invoices', 'e.csv', -1, 0, 0, 'refused',
        'refused_by_operator'),
    ('colegio_pehuen', 'a000000000000005', 'payments', 'f.csv', 0, 0, 0, 'refused', 'empty_file'),
    ('colegio_pehuen', 'a000000000000006', 'payments', 'F.CSV', 0, 0, 1, 'applied', null),
    ('colegio_pehuen', 'a000000000000007', 'payments', 'g.csv', 1, 1, 0, 'refused', 'empty_file')
) as refused (
    organization_id, file_id, kind, file_name, days, days_loaded, loads_later, status, code
)
    on intake_files.organization_id = refused.organization_id
where intake_files.kind = 'invoices' and intake_files.business_date = date '2026-03-02'
"""
# Of open payments two are of Monday, of which one has two exceptions, and one is of Tuesday.
PAYMENTS_WITHOUT_CONTRACT = """
insert into payment_exceptions (
    exception_id, code, organization_id, payment_id, opened_on, is_open
)
values
    ('e1', 'unknown_organization', 'lumin', 'stray-1', date '2026-03-02', true),
    ('e2', 'unknown_organization', 'lumin', 'stray-2', date '2026-03-02', true),
    ('e3', 'unknown_organization', 'lumin', 'stray-2', date '2026-03-02', true),
    ('e4', 'unknown_organization', 'lumin', 'stray-3', date '2026-03-02', false),
    ('e5', 'unknown_organization', 'andes', 'stray-4', date '2026-03-03', true)
"""
UNKNOWN_STATUS = """
insert into unknown_statuses (kind, organization_id, raw_status, event_count, first_loaded_on)
values ('enrollment', 'lumina', 'de baja', 7, date '2026-03-02'),
    ('payment', 'lumina', 'devuelto', 1, date '2026-03-03')
"""
# The folder into which the pictures of the documents are taken.
_PICTURES = "SALDO_PICTURES"


@contextmanager
def a_morning(root: Path) -> Iterator[Installed]:
    """The sample installation after Monday and Tuesday, its server at work."""
    with install(root, Installed, former=made_once("console", _run_two_days)) as installed:
        yield installed


def _run_two_days(root: Path) -> None:
    with install(root, Installed) as installed:
        for day, status in _DAYS.items():
            installed.upload(day)
            inbox = installed.server_root / "lumina" / "inbox"
            with (inbox / f"{day}_toku_invoices.csv").open("a", encoding="utf-8") as file:
                file.write(_HOSTILE_ROW)
            ran = installed.command("run", "--date", str(day))
            assert ran.returncode == status, ran.stdout + ran.stderr


def change_copy(home: Home, folder: Path, sql: str) -> Home:
    """Another installation in a folder, with the published copy of one, in which SQL was run."""
    other = Home(folder / "home", home.seeds)
    other.create()
    shutil.copyfile(home.analytics, other.analytics)
    with duckdb.connect(str(other.analytics)) as connection:
        connection.execute(sql)
    return other


def debt_id_of(morning: Installed, product_id: str) -> str:
    """The id of the one debt of a product."""
    ((debt_id,),) = morning.query(f"select debt_id from debts where product_id = '{product_id}'")
    return str(debt_id)


def file_id_of(morning: Installed, organization_id: str, day: date) -> str:
    """The id of the one file of an organization for a day."""
    ((file_id,),) = morning.query(
        "select file_id from intake_files"
        f" where organization_id = '{organization_id}' and business_date = '{day}'"
    )
    return str(file_id)


def search(page: Page, served: Served, text: str, path: str = "/find?language=en") -> None:
    """Search for a text as an operator does."""
    page.goto(f"{served.address}{path}")
    page.get_by_role("searchbox").fill(text)
    follow(page.get_by_role("search").get_by_role("button"))
    page.wait_for_url("**/find?search=*")


def decide(
    served: Served, address: str, decision: str, token: str | None = None
) -> requests.Response:
    """Decide as the form of a page does, with another token if one is given."""
    browser = requests.Session()
    match = FORM_TOKEN.search(browser.get(f"{served.address}/customers").text)
    assert match is not None
    return browser.post(
        served.address + address,
        data={"decision": decision, "form_token": match[1] if token is None else token},
        allow_redirects=False,
    )


def take_picture(page: Page, name: str, folder: Path) -> None:
    """Take a picture of a page, for the documents if `SALDO_PICTURES` names their folder."""
    path = Path(os.environ.get(_PICTURES, folder)) / f"console_{name}.png"
    page.screenshot(path=path, full_page=True)
