"""Keeps the tests away from the installation: a home of their own for each worker."""

from __future__ import annotations

import os
import tempfile


def pytest_configure() -> None:
    """Set SALDO_HOME before anything reads it."""
    os.environ["SALDO_HOME"] = tempfile.mkdtemp(prefix="saldo-tests-")
    os.environ.pop("SALDO_SEEDS", None)
