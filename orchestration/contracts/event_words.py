"""The words that payment processors use, and what the contracts map them to (R21, R22, R27)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestration.contracts.tables import FILLED, one_of, problem, raise_for, read_rows

PAYMENT_CHANNELS = "payment_channels.csv"
PAYMENT_STATUSES = "payment_statuses.csv"
ENROLLMENT_STATUSES = "enrollment_statuses.csv"
EVENT_WORD_FILES = (PAYMENT_CHANNELS, PAYMENT_STATUSES, ENROLLMENT_STATUSES)

# The states that a payment status and an enrollment status can be mapped to (R21, R27).
PAYMENT_STATES = ("in_process", "authorized", "rejected", "reversed")
ENROLLMENT_STATES = ("active", "inactive")
_CHANNEL_COLUMNS = ("raw_channel", "label", "takes_days", "normal_business_days")


@dataclass(frozen=True)
class EventWords:
    """The meaning of each word of the payment processors, keyed by the word in lower case (R21,
    R22, R27).
    """

    channels: Mapping[str, str]
    payment_statuses: Mapping[str, str]
    enrollment_statuses: Mapping[str, str]


def read_event_words(seeds: Path) -> EventWords:
    """Read payment_channels.csv, payment_statuses.csv and enrollment_statuses.csv (R21, R27).

    Args:
        seeds: the folder of the files.

    Raises:
        ContractError: a word has no meaning, two meanings, or one that is not allowed. Lists all
            problems.

    """
    problems: list[str] = []
    words = EventWords(
        _read_words(seeds / PAYMENT_CHANNELS, _CHANNEL_COLUMNS, FILLED, problems),
        *(
            _read_words(seeds / name, ("raw_status", "status"), one_of(states), problems)
            for name, states in (
                (PAYMENT_STATUSES, PAYMENT_STATES),
                (ENROLLMENT_STATUSES, ENROLLMENT_STATES),
            )
        ),
    )
    raise_for(problems)
    return words


def find_contradictions(seeds: Path) -> Iterator[str]:
    """Find contradictory durations of channels in payment_channels.csv (R25).

    Args:
        seeds: the folder of the file; read_event_words() reads its words.

    """
    of_label: dict[str, tuple[int, str, str]] = {}
    for line, row in read_rows(seeds / PAYMENT_CHANNELS, _CHANNEL_COLUMNS, []):
        label, takes_days, days = (row[column].strip() for column in _CHANNEL_COLUMNS[1:])
        takes_days = takes_days.lower()
        if takes_days not in ("true", "false"):
            yield problem(PAYMENT_CHANNELS, line, "takes_days", takes_days, "true or false")
            continue
        # With zero business days, each such payment would be reported as late on its first day.
        allowed = "a number from 1 to 99" if takes_days == "true" else "0 or 1"
        if not re.fullmatch("[1-9][0-9]?" if takes_days == "true" else "[01]", days):
            allowed += f" where takes_days is {takes_days}"
            yield problem(PAYMENT_CHANNELS, line, "normal_business_days", days, allowed)
            continue
        former, *durations = of_label.setdefault(label, (line, takes_days, days))
        if durations != [takes_days, days]:
            allowed = f"{durations[1]} as in row {former}, which has the same label"
            yield problem(PAYMENT_CHANNELS, line, "normal_business_days", days, allowed)


def _read_words(
    path: Path, columns: Sequence[str], parse: Callable[[str], str], problems: list[str]
) -> Mapping[str, str]:
    """Read the words in the first column of a file and their meanings in the second."""
    words: dict[str, str] = {}
    for line, row in read_rows(path, columns, problems):
        word, meaning = row[columns[0]], row[columns[1]]
        if word in words or not word or word != word.strip().lower():
            allowed = "a word in lower case that no other row has"
            problems.append(problem(path.name, line, columns[0], word, allowed))
        try:
            words[word] = parse(meaning)
        except ValueError as error:
            problems.append(problem(path.name, line, columns[1], meaning, str(error)))
    return words
