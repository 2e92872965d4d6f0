"""What DuckDB may use of the machine, the same for each database of an installation."""

from __future__ import annotations

import os

from orchestration.installation.home import Home


def settings(home: Home) -> dict[str, str | bool | int | float | list[str]]:
    """The settings with which a database is opened; those of dbt are in `profiles.yml`.

    Args:
        home: the installation, which has the folder for what memory does not hold.

    """
    return {
        "memory_limit": os.environ.get("SALDO_MEMORY_LIMIT", "4GB"),
        "temp_directory": str(home.scratch),
        "autoinstall_known_extensions": "false",
    }
