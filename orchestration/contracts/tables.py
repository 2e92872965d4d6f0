"""The rows of a contract's files, and how it is said what is wrong with them (R11)."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from orchestration.installation.errors import WrongUseError

# Columns that files of former versions do not have, and their values there.
ADDED: Mapping[str, str] = {"quiet_seconds": "60"}


class ContractError(WrongUseError):
    """What is wrong with the contracts, a line for each problem."""


def read_rows(
    path: Path, columns: Sequence[str], problems: list[str]
) -> list[tuple[int, dict[str, str]]]:
    """The rows of a contract file by the line they start on; one of another width is a problem.

    Without the file or its columns nothing can be said of the rows: that raises.
    """
    rows: list[tuple[int, dict[str, str]]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as source:
            reader = csv.reader(source, strict=True)
            header = next(reader, [])
            added = dict.fromkeys(ADDED.keys() & columns, "")
            if sorted(header) != sorted({*columns} - (added.keys() - {*header})):
                raise ContractError(header_problem(path.name, header, columns))
            line = reader.line_num + 1
            for cells in reader:
                if len(cells) == len(header):
                    rows.append((line, added | dict(zip(header, cells, strict=True))))
                elif cells:
                    problems.append(
                        f"{path.name}, row {line}: {len(cells)} columns;"
                        f" allowed: {len(header)} as in the header"
                    )
                line = reader.line_num + 1
    except FileNotFoundError:
        raise ContractError(f"{path.name} is missing in {path.parent}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ContractError(f"{path.name} is not UTF-8 CSV: {error}") from None
    return rows


def raise_for(problems: Sequence[str]) -> None:
    """Raise a ContractError that says all problems, if there are any."""
    if problems:
        raise ContractError("\n".join(problems))


def header_problem(name: str, header: Sequence[str], columns: Sequence[str]) -> str:
    """How it is said that a file has other columns than it must have."""
    missing = [column for column in columns if column not in (*header, *ADDED)]
    unknown = [column for column in header if column not in columns]
    doubled = sorted({column for column in header if header.count(column) > 1})
    parts = [("missing", missing), ("unknown", unknown), ("doubled", doubled)]
    said = "; ".join(f"{word} columns: {', '.join(which)}" for word, which in parts if which)
    return f"{name}, row 1: {said}; allowed: {', '.join(columns)}"


def problem(name: str, line: int, column: str, value: str, allowed: str) -> str:
    """How it is said that a cell of a file holds what it must not hold."""
    return f"{name}, row {line}, column {column}: {value!r} is not allowed; allowed: {allowed}"


def one_of(values: Iterable[str]) -> Callable[[str], str]:
    """What reads one of some texts; of another it says in a ValueError which are allowed."""
    allowed = tuple(values)

    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(" or ".join(allowed))
        return text

    return parse


def matching(expression: str, allowed: str) -> Callable[[str], str]:
    """What reads a text of a form; of another it says in a ValueError what is allowed."""

    def parse(text: str) -> str:
        if not re.fullmatch(expression, text):
            raise ValueError(allowed)
        return text

    return parse


FILLED = matching(r"\S(.*\S)?", "a text")
