"""Tables of rows as no file of rows has them."""

from __future__ import annotations

from dataclasses import replace

from orchestration.installation.project_yaml import RawTable
from orchestration.installation.row_views import row_tables


def with_dates(*names: str) -> RawTable:
    """`raw.invoices`, as if some of its columns had to be dates: DuckDB refuses other texts."""
    table = row_tables()["invoices"]
    columns = (
        replace(each, data_type="date") if each.name in names else each for each in table.columns
    )
    return replace(table, columns=tuple(columns))
