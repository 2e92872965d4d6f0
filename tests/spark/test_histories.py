"""Random histories on both engines: organizations with files, payments, decisions, customers.

Each organization is a history of its own. All share their loads, so that one build carries a load
of all. Beside what the histories of `make test` have (debts files, the organizations' own
payments, payment events with partial reversals, decisions on held files), their customers are
created and changed by workbooks, and enroll.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from hashlib import sha256
from itertools import islice

import pytest

from orchestration.contracts.organizations import read_organizations
from orchestration.installation.home import Home
from orchestration.landing import manifests, store
from orchestration.landing.manifests import LandedFile
from tests.orchestration.histories import EXTERNAL_IDS, RUTS, History, draw_many
from tests.orchestration.houses import xlsx_of
from tests.orchestration.landing_histories import (
    align,
    business_date_of,
    instant_of,
    land,
    write_seeds,
)
from tests.orchestration.starting import lend_parse
from tests.spark.both_engines import BothEngines
from tests.spark.duckdb_engine import DuckDBEngine
from tests.spark.spark_engine import SparkEngine

SEED = int(os.environ.get("SALDO_HISTORIES_SEED", "1"))
COUNT = 40
# Three loads of files and events, and one of decisions on what the second held.
LOADS = 4
_STATUSES = ("active", "pending", "cancelled", "asleep")
_MAILS = ("ana@example.com", "", "not an address", "eva@example.com")


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> BothEngines:
    """The histories after their loads."""
    root = tmp_path_factory.mktemp("histories")
    histories = align(list(islice(_draw_short(), COUNT)))
    assert {len(history.loads) for history in histories} == {LOADS}
    home = Home(root / "duckdb", root / "seeds")
    write_seeds(home.seeds, histories)
    home.create()
    lend_parse(home)
    for number in range(1, LOADS + 1):
        choices = random.Random(f"{SEED} customers {number}")
        land(
            home,
            number,
            histories,
            list(_land_workbooks(home, number, choices)),
            "".join(_draw_enrollments(home, number, choices)),
        )
    engines = BothEngines(DuckDBEngine(home), SparkEngine.of(root / "spark", home.seeds))
    for _ in range(LOADS):
        engines.carry()
    return engines


def test_histories_are_the_same_on_both_engines(
    engines: BothEngines, request: pytest.FixtureRequest
) -> None:
    compared = engines.compare(with_views=False)
    request.config.get_terminal_writer().line(
        f"{COUNT} histories of {LOADS} loads: equal on both engines: {compared}"
    )
    _assert_that_much_happened(engines)


def test_a_full_refresh_is_the_same_on_both_engines(engines: BothEngines) -> None:
    engines.build("--full-refresh")
    engines.compare(with_views=False)


def _assert_that_much_happened(engines: BothEngines) -> None:
    """The histories have all that they are for: an empty table is equal as well."""
    for name, condition in (
        ("payments", "status = 'authorized' and reversed_amount > 0"),
        ("intake_files", "status = 'held'"),
        ("intake_files", "status = 'applied' and kind = 'payments'"),
        ("intake_file_differences", "true"),
        ("intake_rejections", "true"),
        ("customers_history", "dbt_valid_to is not null"),
        ("enrollments", "accepted_at is not null"),
        ("enrollments", "accepted_at is null"),
        ("payment_exceptions", "is_open"),
        ("payment_exceptions", "not is_open"),
        ("payments_file_lines", "status = 'reversado'"),
        ("debts", "status = 'withdrawn'"),
        ("debts", "kept_because is not null"),
    ):
        found = engines.spark.session.sql(f"select 1 from main.{name} where {condition} limit 1")
        assert found.collect(), (name, condition)


def _draw_short() -> Iterator[History]:
    """Histories of three loads, with decisions in the last one only."""
    for history in draw_many(SEED, 1_000):
        if len(history.loads) == LOADS - 1 and not history.loads[1].decisions:
            yield history


def _land_workbooks(home: Home, number: int, choices: random.Random) -> Iterator[LandedFile]:
    """A workbook of some organizations, with some of their customers."""
    for organization in read_organizations(home.seeds):
        if choices.random() < 0.5:
            continue
        ids = RUTS if organization.customer_id_scheme == "rut" else EXTERNAL_IDS
        rows = [
            (customer_id, choices.choice(("Ana", "Eva", "")), choices.choice(_MAILS))
            for customer_id in ids
            if choices.random() < 0.7
        ]
        content = xlsx_of([("customer_id", "name", "mail"), *rows])
        day = business_date_of(number)
        landed = LandedFile.of(
            organization,
            kind=manifests.CUSTOMERS,
            file_name=f"{day}_{number}_toku_customers.xlsx",
            business_date=day,
            sha256=sha256(content).hexdigest(),
            byte_count=len(content),
            modified_at=instant_of(number),
            received_at=instant_of(number),
        )
        path = store.file_path(home, landed.organization_id, landed.sha256)
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        yield landed


def _draw_enrollments(home: Home, number: int, choices: random.Random) -> Iterator[str]:
    """Lines of events: a payment method of some customers, in some state."""
    for organization in read_organizations(home.seeds):
        ids = RUTS if organization.customer_id_scheme == "rut" else EXTERNAL_IDS
        for method, customer_id in enumerate(ids):
            if choices.random() < 0.6:
                continue
            event = {
                "kind": "enrollment",
                "event_id": f"enrolled-{method}-{number}",
                "occurred_at": f"{business_date_of(number)}T10:00:00-03:00",
                "organization_id": organization.organization_id,
                "payment_method_id": f"method-{method}",
                "customer_id": customer_id,
                "products": ["LUZ-1"],
                "type": "pac",
                "status": choices.choice(_STATUSES),
            }
            yield f"{json.dumps(event)}\n"
