"""A week through the daemon's eyes: cut-offs, a day on which the machine was off, a late file, and
held files: one that a newer file overtakes, and one that an operator decides on.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import duckdb
import pytest

from tests.orchestration.forking import run_module
from tests.orchestration.installations import Installed, install


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, object]], Path]:
    root = tmp_path_factory.mktemp("week")
    with install(root, Installed) as site:
        variables = {**os.environ, **site.environment, "SERVER_ROOT": str(site.server_root)}
        lived = run_module("tests.orchestration.week", [], variables)
    assert lived.returncode == 0, lived.stderr[-4000:]
    return [json.loads(line) for line in lived.stdout.splitlines()], site.home.analytics


def test_every_date_is_asked_for_when_it_is_due_and_not_again(week) -> None:
    told, _ = week
    assert [(each["at"], each["asked"]) for each in told] == [
        ("Mon 07:55", {}),
        ("Mon 08:00", {"cut_offs": ["2026-03-02"]}),
        ("Mon 08:05", {}),
        ("Wed 08:00", {"cut_offs": ["2026-03-03"]}),
        ("Wed 08:05", {"cut_offs": ["2026-03-04"]}),
        ("Wed 08:10", {}),
        ("Wed 14:01", {}),
        ("Wed 14:02", {"late_arrivals": ["2026-03-04"]}),
        ("Wed 14:03", {}),
        ("Thu 07:59", {}),
        ("Thu 08:00", {"cut_offs": ["2026-03-05"]}),
        ("Thu 08:05", {}),
        ("Thu 09:00", {"late_arrivals": ["2026-03-05"]}),
        ("Thu 09:01", {}),
        ("Thu 09:02", {}),
    ]


def test_the_checks_of_each_run_say_what_a_person_should_know(week) -> None:
    told, _ = week
    found = [
        sorted(re.sub("[0-9a-f]{16}", "FILE_ID", line) for lines in each["found"] for line in lines)
        for each in told
        if each["asked"]
    ]
    missing = "no_file_is_missing: files missing:"
    held = "no_file_waits_for_a_decision: files held: colegio_pehuen (FILE_ID)"
    silent = "andes_seguros (2026-03-05), lumina (2026-03-05)"
    assert found == [
        [],
        [held],
        [f"{missing} andes_seguros (2026-03-04), lumina (2026-03-04)"],
        [f"{missing} andes_seguros (2026-03-04)"],
        [f"{missing} {silent}", held],
        [],
    ]


def test_the_late_file_and_those_of_the_missed_date_are_applied(week) -> None:
    _, analytics = week
    with duckdb.connect(str(analytics), read_only=True) as connection:
        files = connection.execute(
            "select organization_id, strftime(business_date, '%a'), status from intake_files"
            " order by organization_id, business_date"
        ).fetchall()
        published = connection.execute(
            "select organization_id, strftime(business_date, '%a'), count(*)"
            " from payments_file_lines group by all order by all"
        ).fetchall()
    assert files == [
        ("andes_seguros", "Mon", "applied"),
        ("andes_seguros", "Tue", "applied"),
        ("colegio_pehuen", "Mon", "applied"),
        ("colegio_pehuen", "Tue", "superseded"),
        ("colegio_pehuen", "Wed", "applied"),
        ("colegio_pehuen", "Thu", "applied"),
        ("lumina", "Mon", "applied"),
        ("lumina", "Tue", "applied"),
        ("lumina", "Wed", "applied"),
    ]
    assert published == [
        ("andes_seguros", "Mon", 2),
        ("andes_seguros", "Tue", 2),
        ("colegio_pehuen", "Tue", 2),
        ("lumina", "Mon", 4),
        ("lumina", "Tue", 2),
    ]


def test_the_file_that_an_operator_approved_is_the_base_and_the_overtaken_one_is_nothing(
    week,
) -> None:
    """It lists the debts 1 to 15, of which two are paid; 16 to 62 are withdrawn."""
    _, analytics = week
    with duckdb.connect(str(analytics), read_only=True) as connection:
        statuses = connection.execute(
            "select status, min(customer_id), max(customer_id), count(*) from debts"
            " where organization_id = 'colegio_pehuen' group by all order by all"
        ).fetchall()
    assert statuses == [
        ("paid", "AL-0001", "AL-0002", 2),
        ("pending", "AL-0003", "AL-0015", 13),
        ("withdrawn", "AL-0016", "AL-0062", 47),
    ]
