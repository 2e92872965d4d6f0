"""The page of runs: what each load took and became, and the runs of Dagster that carried it."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import dagster as dg
import pytest
import requests
from playwright.sync_api import Page

from orchestration.landing import manifests
from orchestration.landing.manifests import Manifest
from orchestration.pages import dagster_runs
from orchestration.pages.dagster_runs import UserInterface, find_user_interface
from tests.orchestration.installations import Installed, install
from tests.orchestration.serving import Served, follow, serve_pages, table_rows


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """Two days, and a run that failed before it took anything."""
    with install(tmp_path_factory.mktemp("runs"), Installed, days=2) as installed:
        installed.home.erasure.write_text("{}")
        assert installed.command("run", "--date", "2026-03-04").returncode == 1
        installed.home.erasure.unlink()
        yield installed


@pytest.fixture(autouse=True)
def opened_storage(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in installed.home.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SALDO_UI_PORT", "1")


@pytest.fixture(scope="module")
def served(installed: Installed) -> Iterator[Served]:
    with serve_pages(installed.home) as served:
        yield served


def test_each_load_tells_what_it_took_and_which_run_carried_it(
    served: Served, page: Page, tmp_path: Path
) -> None:
    page.goto(f"{served.address}/runs?language=en")
    page.screenshot(path=tmp_path / "runs.png", full_page=True)
    rows = table_rows(page, "table.loads")
    assert [[*row[:2], *row[3:7]] for row in rows] == [
        [
            "2",
            "2026-03-03",
            "inboxes: 3, files: 3, decisions: 0, lines of events: 5",
            "applied: 2, held: 1",
            "yes",
            "12 of 12",
        ],
        [
            "1",
            "2026-03-02",
            "inboxes: 3, files: 3, decisions: 0, lines of events: 6",
            "applied: 3",
            "yes",
            "12 of 12",
        ],
    ]
    assert [row[7].split()[1:] for row in rows] == [["ended", "well"], ["ended", "well"]]
    with dg.DagsterInstance.get() as instance:
        runs = {run.tags["dagster/partition"]: run.run_id for run in instance.get_runs()}
    linked = [
        each.get_attribute("href") for each in page.locator("table.loads td:last-child a").all()
    ]
    assert linked == [f"http://127.0.0.1:1/runs/{runs[f'2026-03-0{day}']}" for day in (3, 2)]
    assert "does not answer on this machine" in page.locator("p.hint").first.inner_text()


def test_a_run_that_failed_before_it_took_anything_is_listed(served: Served, page: Page) -> None:
    page.goto(f"{served.address}/runs?language=en")
    (failed,) = page.locator(".loose li").all_inner_texts()
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\d \d\d:\d\d UTC, for 2026-03-04: [0-9a-f]{8} failed", failed.strip()
    )


def test_a_load_that_has_landed_is_told_before_it_is_published(
    served: Served, installed: Installed, page: Page
) -> None:
    landed = Manifest(3, datetime(2026, 3, 4, 9), date(2026, 3, 4))
    manifests.write_manifest(installed.home, landed)
    page.goto(f"{served.address}/runs?language=en")
    manifests.manifest_path(installed.home, 3).unlink()
    assert table_rows(page, "table.loads")[0] == [
        "3",
        "2026-03-04",
        "2026-03-04 09:00",
        "inboxes: 0, files: 0, decisions: 0",
        "-",
        "not yet",
        "-",
        "-",
    ]


def test_a_file_leads_to_its_load_and_a_load_to_its_day(served: Served, page: Page) -> None:
    page.goto(f"{served.address}/files?language=en")
    follow(page.get_by_role("link", name="2026-03-02_toku_invoices.csv").first)
    follow(page.locator(".facts a"))
    assert page.url.endswith("/runs?load=1")
    assert [row[0] for row in table_rows(page, "table.loads")] == ["1"]
    follow(page.get_by_role("link", name="2026-03-02", exact=True))
    assert page.get_by_role("heading", level=1).inner_text() == "The day 2026-03-02"


@pytest.mark.parametrize("load", ["x", "1'--", "-1", "٣", "9" * 20])
def test_what_is_no_number_of_a_load_is_refused(served: Served, load: str) -> None:
    answer = requests.get(f"{served.address}/runs", params={"load": load})
    assert answer.status_code == 404
    assert "No existe esa carga." in answer.text


def test_a_load_that_there_is_not_is_said_to_be_none(served: Served) -> None:
    assert "No existe esa carga." in requests.get(f"{served.address}/runs?load=99").text


def test_a_storage_of_dagster_that_cannot_be_read_is_told_and_hides_no_load(
    served: Served, installed: Installed, page: Page
) -> None:
    settings = installed.home.dagster / "dagster.yaml"
    former = settings.read_bytes()
    settings.write_text("storage: {sqlite\n")
    page.goto(f"{served.address}/runs?language=en")
    settings.write_bytes(former)
    assert "Dagster's record of runs cannot be read" in page.locator(".message").inner_text()
    assert [row[0] for row in table_rows(page, "table.loads")] == ["2", "1"]


def test_runs_that_are_not_asked_for_any_more_are_told(
    served: Served, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    hint = "Only the newest {} runs of Dagster are linked here; its own page has the others."
    page.goto(f"{served.address}/runs?load=1&language=en")
    assert hint.format(100) not in page.locator("main").inner_text()
    monkeypatch.setattr(dagster_runs, "MOST_RUNS", 2)
    page.goto(f"{served.address}/runs?load=1&language=en")
    assert hint.format(2) in page.locator("main").inner_text()


def test_links_lead_to_the_proxy_or_to_the_port_of_this_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        served = {"SALDO_UI_PORT": str(port)}
        assert find_user_interface(served) == UserInterface(
            f"http://127.0.0.1:{port}", is_served=True
        )
        shown = {**served, "SALDO_UI_ORIGINS": "https://saldo.example.cl"}
        assert find_user_interface(shown) == UserInterface(
            "https://saldo.example.cl", is_served=True
        )
    assert find_user_interface(served).is_served is False
