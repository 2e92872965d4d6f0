"""Random histories on both engines: organizations with files, payments, decisions, customers.

Each organization is a history of its own. All share their loads, so that one build carries a load
of all. Beside what the histories of `make test` have (debts files, the organizations' own
payments, payment events with partial reversals, decisions on held files), their customers are
created and changed by workbooks, and enroll.
"""

from __future__ import annotations

import os
import random

import pytest

from orchestration.installation.home import Home
from tests.orchestration.histories import draw_short
from tests.orchestration.landing_histories import (
    align,
    draw_enrollments,
    land,
    land_workbooks,
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


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> BothEngines:
    """The histories after their loads."""
    root = tmp_path_factory.mktemp("histories")
    histories = align(draw_short(SEED, COUNT))
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
            list(land_workbooks(home, number, choices)),
            "".join(draw_enrollments(home, number, choices)),
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
