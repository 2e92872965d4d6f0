"""`make docs`: dbt's documentation as one file, written without opening the warehouse."""

from __future__ import annotations

import re
from pathlib import Path

from orchestration.devtools import documentation
from orchestration.installation import warehouse
from orchestration.installation.home import Home


def test_the_documentation_is_one_file_with_types_and_is_written_while_a_run_is_at_work(
    home: Home,
) -> None:
    with warehouse.connect(home):
        written = documentation.write(home)
    assert written == home.root / "docs" / "static_index.html"
    assert [path.name for path in written.parent.iterdir()] == [written.name]
    assert list(home.scratch.iterdir()) == []
    page = written.read_text(encoding="utf-8")
    assert "Data walks one way" in page
    assert {"exposure.saldo.payments_file", "exposure.saldo.analytics_copy"} <= set(
        re.findall(r"exposure\.saldo\.\w+", page)
    )
    assert _type_of(page, "due_date") == "DATE"
    assert _type_of(page, "amount") == "DECIMAL(18,4)"
    assert str(Path.home()) not in page


def _type_of(page: str, column: str) -> str:
    """The type of a column of the debts, in the catalog that the page holds."""
    catalog = page[page.index('"model.saldo.debts": {"metadata"') :]
    found = re.search(rf'"{column}": {{"type": "([^"]+)"', catalog)
    assert found is not None
    return found[1]
