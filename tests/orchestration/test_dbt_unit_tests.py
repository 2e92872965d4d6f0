"""Runs dbt's unit tests, which prove each rule's SQL, in an empty warehouse of their own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from orchestration.installation import warehouse
from orchestration.installation.home import PROJECT, Home
from tests.orchestration.building import run_dbt
from tests.orchestration.starting import lend_parse

DEBT_RULES = {f"R{number}" for number in range(1, 11)}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("unit_tests"), PROJECT / "seeds")
    home.create()
    lend_parse(home)
    with warehouse.connect(home):
        pass
    kinds = ["--exclude-resource-type", "unit_test", "--exclude-resource-type", "test"]
    run_dbt(home, "build", "--empty", "--quiet", *kinds)
    return home


def test_every_dbt_unit_test_passes(home: Home) -> None:
    run_dbt(home, "test", "--quiet", "--select", "test_type:unit")
    results = {
        result["unique_id"]: result["status"]
        for result in _read(home.root / "target" / "run_results.json")["results"]
        if not result["unique_id"].startswith("operation.")
    }
    assert results == dict.fromkeys(_unit_tests(home), "pass")


def test_each_rule_about_debts_is_named_by_a_unit_test(home: Home) -> None:
    descriptions = " ".join(each["description"] for each in _unit_tests(home).values())
    assert set(re.findall(r"\bR\d+\b", descriptions)) >= DEBT_RULES


def _unit_tests(home: Home) -> dict[str, dict[str, Any]]:
    unit_tests: dict[str, dict[str, Any]] = _read(home.root / "target" / "manifest.json")[
        "unit_tests"
    ]
    return unit_tests


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content
