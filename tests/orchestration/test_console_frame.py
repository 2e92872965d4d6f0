"""What all pages of the console have in common."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
import requests
from playwright.sync_api import Page

from orchestration.installation import locking
from orchestration.installation.home import PROJECT, Home
from tests.orchestration.consoles import (
    TUESDAY,
    debt_id_of,
    file_id_of,
    search,
)
from tests.orchestration.installations import Installed
from tests.orchestration.serving import Served, follow, serve_pages, table_rows

# The pages that read the published copy.
READING = ("/today", "/organizations", "/organizations/lumina", "/files", "/files/0", "/find")


def test_the_pages_are_spanish_until_somebody_switches_and_stay_switched(
    served: Served, page: Page
) -> None:
    search(page, served, "LUZ-015", "/find")
    assert page.get_by_role("heading", level=1).inner_text() == "Buscar una deuda"
    assert page.locator("html").get_attribute("lang") == "es"
    follow(page.get_by_role("link", name="English"))
    assert page.get_by_role("heading", level=1).inner_text() == "Find a debt"
    assert [row[2] for row in table_rows(page, "table.debts")] == ["LUZ-015"]
    follow(page.get_by_role("link", name="Customers"))
    assert page.get_by_role("heading", level=1).inner_text() == "Upload customers"
    follow(page.get_by_role("link", name="Español"))
    assert page.get_by_role("heading", level=1).inner_text() == "Cargar clientes"


def test_each_page_fits_a_phone_and_is_reached_by_the_keyboard(
    served: Served, morning: Installed, page: Page, tmp_path: Path
) -> None:
    paths = (
        "/today",
        f"/find?debt={debt_id_of(morning, 'LUZ-001')}",
        f"/debts/{debt_id_of(morning, 'LUZ-001')}",
        "/files",
        f"/files/{file_id_of(morning, 'lumina', TUESDAY)}",
        "/organizations",
        "/organizations/lumina",
        "/customers",
        "/try",
    )
    page.set_viewport_size({"width": 360, "height": 740})
    for path in paths:
        page.goto(served.address + path)
        page.screenshot(path=tmp_path / "phone.png", full_page=True)
        assert page.get_by_role("main").bounding_box()["width"] <= 360
        page.keyboard.press("Tab")
        assert page.locator(":focus").inner_text() == "Al contenido"


class TestBeforeTheFirstDay:
    """What the console says while there is nothing to show."""

    @pytest.fixture
    def new_home(self, tmp_path: Path) -> Home:
        home = Home(tmp_path / "home", PROJECT / "seeds")
        home.create()
        return home

    def test_a_new_installation_says_how_to_begin(self, new_home: Home) -> None:
        with serve_pages(new_home) as served:
            texts = {path: requests.get(f"{served.address}{path}").text for path in READING}
        for text in texts.values():
            assert "Todavía no se recibe ningún archivo." in text
            assert "python -m orchestration check\npython -m orchestration run" in text

    def test_a_first_run_that_has_not_ended_says_how_to_go_on(self, new_home: Home) -> None:
        (new_home.landing / "_loads" / "00000001.json").touch()
        with serve_pages(new_home) as served:
            text = requests.get(f"{served.address}/find").text
        assert "ninguna ejecución publicó el resultado" in text
        assert "python -m orchestration run" in text

    def test_a_first_run_at_work_is_waited_for(self, new_home: Home) -> None:
        with serve_pages(new_home) as served, locking.exclusive(new_home):
            text = requests.get(f"{served.address}/find").text
        assert "Hay una ejecución en curso." in text

    def test_a_damaged_copy_names_what_makes_it_anew(self, new_home: Home) -> None:
        new_home.analytics.write_bytes(b"no database" * 1000)
        with serve_pages(new_home) as served:
            answer = requests.get(f"{served.address}/find")
        assert answer.status_code == 500
        assert "python -m orchestration run" in answer.text
        assert "Un archivo de esta instalación está dañado" in answer.text

    def test_a_copy_of_an_older_version_says_so(self, new_home: Home) -> None:
        with duckdb.connect(str(new_home.analytics)) as connection:
            connection.execute("create table debts (debt_id varchar)")
        with serve_pages(new_home) as served:
            answer = requests.get(f"{served.address}/find?q={'0' * 16}")
        assert answer.status_code == 500
        assert "La copia publicada es de una versión anterior" in answer.text
