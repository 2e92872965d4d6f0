"""Keeps the tests away from the installation: a home of their own for each worker.

What the workers make for each other is in a folder that they share. The longest files come first.
What a session left that was killed goes when the next one begins.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.orchestration import leftovers
from tests.orchestration.starting import SHARED

# Those that take more than half a minute of CPU, the longest first: a worker that began one of them
# last would work alone.
LONGEST = (
    "test_soak",
    "test_erasure",
    "test_histories",
    "test_small_builds",
    "test_documented_commands",
    "test_backfill",
    "test_damaged_homes",
    "test_commands",
    "test_killed_runs",
    "test_bench",
    "test_overtaken_files",
    "test_customers",
    "test_contract_changes",
    "test_faults",
    "test_week",
    "test_trying",
    "test_paths",
    "test_dbt_alone",
    "test_end_to_end",
    "test_access",
    "test_nights",
    "test_oracle",
    "test_console_morning",
    "test_killed_arrivals",
    "test_refreshing",
    "test_ended_builds",
    "test_console_files",
    "test_pages",
    "test_webserver",
)


def pytest_configure() -> None:
    """Set SALDO_HOME before anything reads it."""
    os.environ["SALDO_HOME"] = leftovers.make_folder()
    os.environ.pop("SALDO_SEEDS", None)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        leftovers.sweep(Path(tempfile.gettempdir()))
        os.environ[SHARED] = leftovers.make_folder()


def pytest_unconfigure() -> None:
    """Leave nothing behind."""
    shutil.rmtree(os.environ["SALDO_HOME"], ignore_errors=True)
    if "PYTEST_XDIST_WORKER" not in os.environ:
        shutil.rmtree(os.environ[SHARED], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of the longest files first; all others stay in their order."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(ranks)))
