"""Singular tests of dbt whose rows no other test makes: each fails when the warehouse is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestration.installation import warehouse
from tests.orchestration.building import dbt_output
from tests.orchestration.houses import Deposit, House, xlsx_of
from tests.orchestration.starting import copy_home

CAMPAIGN = "no_campaign_writes_to_the_enrolled_or_the_unknown"
HOLIDAYS = "the_bank_holidays_reach_beyond_the_newest_load"
WELL, WARNED, FAILED = "PASS", "WARN", "FAIL"
METHOD = {
    "kind": "enrollment",
    "event_id": "enrolled",
    "occurred_at": "2026-03-01T10:00:00-03:00",
    "organization_id": "agua",
    "payment_method_id": "method-1",
    "customer_id": "C2",
    "products": [],
    "type": "pac",
    "status": "active",
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Customers of two organizations, of whom one has enrolled and one has a mail of no use."""
    house = House.make(tmp_path_factory.mktemp("built"), {"agua": {}, "gas": {"country": "PE"}})
    calendar = house.home.seeds / "bank_holidays.csv"
    calendar.write_text(f"{calendar.read_text('utf-8')}PE,2026-07-28,Independencia\n", "utf-8")
    rows = [
        ["customer_id", "nombre", "mail"],
        *([f"C{number}", "Ana", f"c{number}@correo.cl"] for number in (1, 2)),
        ["C3", "Eva", "sin arroba"],
    ]
    house.load(
        *(Deposit(each, xlsx_of(rows), "customers") for each in house.organizations),
        events=[METHOD],
    )
    assert house.query("select organization_id, mail from campaign_contacts order by all") == [
        ("agua", "c1@correo.cl"),
        ("gas", "c1@correo.cl"),
        ("gas", "c2@correo.cl"),
    ]
    return house


@pytest.mark.parametrize(
    ("test", "change", "result"),
    [
        (CAMPAIGN, "", WELL),
        (CAMPAIGN, "update marts.main.campaign_contacts set mail = 'other@correo.cl'", FAILED),
        (CAMPAIGN, "update marts.main.campaign_contacts set customer_id = 'C3'", FAILED),
        (CAMPAIGN, "update marts.main.campaign_contacts set customer_id = 'C9'", FAILED),
        (CAMPAIGN, "update marts.main.enrollments set customer_id = 'C1'", FAILED),
        (CAMPAIGN, "delete from marts.main.organizations where organization_id = 'gas'", FAILED),
        (HOLIDAYS, "", WELL),
        (HOLIDAYS, "delete from seeds.bank_holidays where country = 'PE'", WARNED),
        (HOLIDAYS, "update seeds.bank_holidays set holiday_on = '2026-01-01'", WARNED),
        (
            HOLIDAYS,
            "update seeds.bank_holidays set holiday_on = '2026-01-01' where country = 'PE'",
            WARNED,
        ),
        (HOLIDAYS, "update raw.loads set business_date = '2026-07-28'", WELL),
        (HOLIDAYS, "update raw.loads set business_date = '2026-07-29'", WARNED),
    ],
)
def test_what_is_wrong_is_a_row_of_its_test(
    built: House, tmp_path: Path, test: str, change: str, result: str
) -> None:
    """A warning stops no run."""
    home = copy_home(built.home, tmp_path / "home")
    with warehouse.connect(home) as connection:
        connection.execute(change)
    done = dbt_output(home, "test", "--select", test)
    results = re.findall(rf"1 of 1 (PASS|WARN|FAIL)[ 0-9]* {test}", done.stdout)
    assert results == [result], done.stdout
    assert (done.returncode == 1) == (result == FAILED)
