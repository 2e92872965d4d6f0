"""The rules are in `models/`: the SQL in Python asks tables for columns, and no more."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.installation.home import PROJECT

ROOT = PROJECT / "orchestration"
# Modules that write `raw`, make the published copy or read what the database says of itself. What
# they may say beyond a plain select.
PLUMBING = {
    "delivery/outgoing.py": {"group by"},  # the last attempt at each file
    "delivery/published_copy.py": {"create"},
    # how many lines DuckDB finds in each file
    "formats/text_files.py": {"case", "create", "drop", "group by", "join"},
    "installation/databases.py": {"sum"},
    "installation/engines.py": {"create"},
    "installation/lending.py": {"join"},  # of each time zone, some local times
    # which files of rows there are, and which a build reads
    "installation/row_views.py": {"create", "group by", "join", "union", "with"},
    "installation/spark.py": {"delete", "insert"},  # the tables that Spark has made, as they are
    "installation/standing.py": {"create", "sum"},
    "installation/warehouse.py": {"create", "insert", "update"},
    "intake/loading.py": {"insert", "partition by", "qualify", "row_number"},
    "intake/rebuilding.py": {"update"},
    "intake/trying.py": {"create"},
}
# Modules that ask a table for columns.
READERS = {
    "delivery/ledger.py",
    "installation/kept_tables.py",
    "intake/arrivals.py",
    "intake/checking.py",
    "intake/copying.py",
    "intake/decisions.py",
    "intake/restoring.py",
    "intake/taking.py",
    "intake/uploads.py",
    "landing/row_files.py",
    "privacy/erasure.py",
    "privacy/id_spellings.py",
    "privacy/persons.py",
    "reports/findings.py",
    "reports/terminal.py",
    "reports/verifying.py",
    "verbs/deciding.py",
}
# What the console asks the published copy, as an analyst would: each page has its questions there.
QUESTIONS = ROOT / "pages" / "queries"
_SQL = re.compile(
    r"\bselect\b.*\bfrom\b|\bselect main\.|\b(?:insert into|delete from|drop table)\b"
    r"|\bcreate (?:or replace )?(?:temp )?(?:table|macro|view|schema)\b|\bupdate raw\b",
    re.DOTALL,
)
_MORE = {
    "case": r"\bcase\b.*\bwhen\b",
    "create": r"\bcreate (?:or replace )?(?:temp )?(?:table|macro|view|schema)\b",
    "delete": r"\bdelete from\b",
    "drop": r"\bdrop table\b",
    "group by": r"\bgroup by\b|\bhaving\b",
    "insert": r"\binsert into\b",
    "join": r"\bjoin\b",
    "partition by": r"\bpartition by\b",
    "qualify": r"\bqualify\b",
    "row_number": r"\brow_number\b",
    "string_agg": r"\bstring_agg\b",
    "sum": r"\bsum\(",
    "union": r"\bunion\b",
    "update": r"\bupdate raw\b",
    "with": r"\bwith \w+ as \(",
}


def test_the_modules_that_hold_sql_are_exactly_these() -> None:
    found = {
        _name(path)
        for path in ROOT.rglob("*.py")
        if path.parent != QUESTIONS and any(_statements(path))
    }
    assert found == PLUMBING.keys() | READERS


@pytest.mark.parametrize("module", sorted(READERS | PLUMBING.keys()))
def test_python_asks_for_columns_and_leaves_what_they_mean_to_the_models(module: str) -> None:
    """No join, case, group by or the like: whoever looks for a rule finds it in `models/`."""
    text = "\n".join(_statements(ROOT / module))
    found = {name for name, pattern in _MORE.items() if re.search(pattern, text, re.DOTALL)}
    assert found == PLUMBING.get(module, set())


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _statements(path: Path) -> Iterator[str]:
    """The texts of a module that are SQL, those that are put together of parts as one."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documentation = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if id(node) in documentation:
            continue
        if isinstance(node, ast.JoinedStr):
            parts = [each.value for each in node.values if isinstance(each, ast.Constant)]
            text = "?".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        else:
            continue
        if _SQL.search(text) or (path.name == "text_files.py" and "case when" in text):
            yield text
