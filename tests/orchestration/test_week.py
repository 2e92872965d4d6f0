"""A week through the daemon's eyes: cut-offs, a day on which the machine was off, a late file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from orchestration.demo import installation
from orchestration.home import PROJECT
from orchestration.loopback_sftp import serve


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, object]], Path]:
    root = tmp_path_factory.mktemp("week")
    with serve(root / "server", root / "server_state") as server:
        home, environment = installation.make(root / "home", server)
        lived = subprocess.run(
            [sys.executable, "-m", "tests.orchestration.week"],
            cwd=PROJECT,
            env={**os.environ, **environment, "SERVER_ROOT": str(server.root)},
            capture_output=True,
            text=True,
            check=False,
        )
    assert lived.returncode == 0, lived.stderr[-4000:]
    return [json.loads(line) for line in lived.stdout.splitlines()], home.analytics


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
    everyone = "andes_seguros (2026-03-05), colegio_pehuen (2026-03-05), lumina (2026-03-05)"
    assert found == [
        [],
        [held],
        [f"{missing} andes_seguros (2026-03-04), lumina (2026-03-04)", held],
        [f"{missing} andes_seguros (2026-03-04)", held],
        [f"{missing} {everyone}", held],
    ]


def test_the_late_file_and_those_of_the_missed_date_are_applied(week) -> None:
    _, analytics = week
    with duckdb.connect(str(analytics), read_only=True) as connection:
        files = connection.execute(
            "select organization_id, strftime(business_date, '%a'), status from intake_files"
            " order by all"
        ).fetchall()
        published = connection.execute(
            "select organization_id, strftime(business_date, '%a'), count(*)"
            " from payments_file_lines group by all order by all"
        ).fetchall()
    assert files == [
        ("andes_seguros", "Mon", "applied"),
        ("andes_seguros", "Tue", "applied"),
        ("colegio_pehuen", "Mon", "applied"),
        ("colegio_pehuen", "Tue", "held"),
        ("colegio_pehuen", "Wed", "applied"),
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
