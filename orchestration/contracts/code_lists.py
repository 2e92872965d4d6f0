"""The lists of codes among the seeds: texts that may be reworded, codes that may not be missing."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from orchestration.contracts.tables import raise_for
from orchestration.installation.home import PROJECT

CODE_LISTS = ("intake_codes.csv", "payment_exception_codes.csv")


def check(seeds: Path) -> None:
    """Check that the lists have all codes of this version: others are read by nobody (R15, R25).

    Args:
        seeds: the folder of the lists, which may be that of an older version.

    Raises:
        ContractError: a code is missing. Lists all problems.

    """
    raise_for(list(_find_missing(seeds)))


def _find_missing(seeds: Path) -> Iterator[str]:
    for name in CODE_LISTS:
        if not (seeds / name).exists():
            continue
        missing = _read_codes(PROJECT / "seeds" / name) - _read_codes(seeds / name)
        if missing:
            yield (
                f"{name}: this version has other codes too: {', '.join(sorted(missing))}; add their"
                f" rows from {PROJECT / 'seeds' / name}"
            )


def _read_codes(path: Path) -> set[str]:
    with path.open(encoding="utf-8-sig", newline="") as source:
        return {row.get("code", "") for row in csv.DictReader(source)}
