"""Read the rows of contract files and describe what is wrong with them (R11)."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import time
from decimal import Decimal
from pathlib import Path

from orchestration.installation.errors import WrongUseError

# Columns that older files do not have, and their default values.
ADDED: Mapping[str, str] = {"quiet_seconds": "60"}


class ContractError(WrongUseError):
    """The problems of the contracts, one per line."""


def read_rows(
    path: Path, columns: Sequence[str], problems: list[str]
) -> list[tuple[int, dict[str, str]]]:
    """Read the rows of a contract file, each with the line on which it starts.

    A row with another number of columns becomes a problem.

    Raises:
        ContractError: the file or one of its columns is missing, or it is not UTF-8 CSV.

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
        raise ContractError(
            f"{path.name} is missing in {path.parent}: put it there, or have SALDO_SEEDS name the"
            " folder of the contracts"
        ) from None
    except PermissionError:
        raise ContractError(
            f"{path.name} in {path.parent} may not be read: give Saldo's user the right to"
        ) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise ContractError(
            f"{path.name} is not UTF-8 CSV: {error}; save it as CSV in UTF-8"
        ) from None
    return rows


def find_nulls(path: Path) -> Iterator[str]:
    """Find cells that say `null`: a text to DuckDB, and an empty cell to Spark (R33).

    Args:
        path: a contract file that can be read.

    """
    with path.open(encoding="utf-8-sig", newline="") as source:
        reader = csv.reader(source, strict=True)
        header = next(reader, [])
        line = reader.line_num + 1
        for cells in reader:
            for column, cell in zip(header, cells, strict=False):
                if cell.strip().lower() == "null":
                    yield problem(path.name, line, column, cell, "an empty cell, or another text")
            line = reader.line_num + 1


def raise_for(problems: Sequence[str]) -> None:
    """Raise a ContractError that lists all problems, if there are any."""
    if problems:
        raise ContractError("\n".join(problems))


def header_problem(name: str, header: Sequence[str], columns: Sequence[str]) -> str:
    """Describe a header with missing, unknown or doubled columns."""
    missing = [column for column in columns if column not in (*header, *ADDED)]
    unknown = [column for column in header if column not in columns]
    doubled = sorted({column for column in header if header.count(column) > 1})
    parts = [("missing", missing), ("unknown", unknown), ("doubled", doubled)]
    said = "; ".join(f"{word} columns: {', '.join(which)}" for word, which in parts if which)
    return f"{name}, row 1: {said}; allowed: {', '.join(columns)}"


def problem(name: str, line: int, column: str, value: str, allowed: str) -> str:
    """Describe a cell whose value is not allowed."""
    return f"{name}, row {line}, column {column}: {value!r} is not allowed; allowed: {allowed}"


def one_of(values: Iterable[str]) -> Callable[[str], str]:
    """Return a parser for a fixed set of texts; its ValueError lists the allowed ones."""
    allowed = tuple(values)

    def parse(text: str) -> str:
        if text not in allowed:
            raise ValueError(" or ".join(allowed))
        return text

    return parse


def matching(expression: str, allowed: str) -> Callable[[str], str]:
    """Return a parser for texts that match a pattern; its ValueError says what is allowed."""

    def parse(text: str) -> str:
        if not re.fullmatch(expression, text):
            raise ValueError(allowed)
        return text

    return parse


def parse_time(text: str) -> time:
    """Parse a time of day; the ValueError says what is allowed."""
    if not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", text):
        raise ValueError("a time of day as HH:MM")
    return time.fromisoformat(text)


def parse_port(text: str) -> int:
    """Parse the number of a port; the ValueError says what is allowed."""
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= 65535:  # noqa: PLR2004
        raise ValueError("a port from 1 to 65535")
    return int(text)


def parse_share(text: str) -> Decimal:
    """Parse a fraction of one; the ValueError says what is allowed."""
    if not re.fullmatch(r"0|1|0?\.[0-9]{1,6}|1\.0{1,6}", text):
        raise ValueError("a share from 0 to 1 with at most six decimals")
    return Decimal(text)


FILLED = matching(r"\S(.*\S)?", "a text")
