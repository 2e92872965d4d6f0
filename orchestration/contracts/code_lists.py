"""The lists of codes among the seeds: texts that may be reworded, codes that may not be missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from orchestration.contracts.tables import raise_for, read_rows
from orchestration.installation.home import PROJECT

CODE_LISTS: Mapping[str, Sequence[str]] = {
    "intake_codes.csv": ("code", "applies_to", "message"),
    "payment_exception_codes.csv": ("code", "description"),
}


def check(seeds: Path) -> None:
    """Check that the lists have all codes of this version: others are read by nobody (R15, R25).

    Args:
        seeds: the folder of the lists, which may be that of an older version. A list that is not
            there is dbt's to tell: copies of contracts have none.

    Raises:
        ContractError: a list cannot be read, or a code is missing. Lists all problems.

    """
    raise_for(list(_find_problems(seeds)))


def _find_problems(seeds: Path) -> Iterator[str]:
    for name, columns in CODE_LISTS.items():
        if not (seeds / name).exists():
            continue
        problems: list[str] = []
        codes = {row["code"] for _, row in read_rows(seeds / name, columns, problems)}
        yield from problems
        own = {row["code"] for _, row in read_rows(PROJECT / "seeds" / name, columns, [])}
        if missing := own - codes:
            yield (
                f"{name}: this version has other codes too: {', '.join(sorted(missing))}; add their"
                f" rows from {PROJECT / 'seeds' / name}"
            )
