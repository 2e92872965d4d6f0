"""From the first look at what was received until it has ended, an erasure holds the lock by which a
check receives a file (R29): what the check lands would name the person again.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

import pytest

from orchestration.privacy import erasure, persons
from tests.orchestration.houses import Deposit, House, csv_of

FILE = csv_of(
    [
        ("customer_id", "product_id", "due_date", "amount"),
        ("c-1", "p-1", "2026-03-31", "1000"),
    ]
)


def _is_held(house: House) -> bool:
    """Whether a check of the organization would have to wait."""
    path = house.home.landing / "_arriving" / "agua"
    path.mkdir(parents=True, exist_ok=True)
    folder = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(folder)
    return False


def test_an_erasure_keeps_checks_waiting_from_its_first_look_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House.make(tmp_path, {"agua": {}})
    house.load(Deposit("agua", FILE))
    steps: list[tuple[str, bool, bool]] = []

    def note(step: str) -> Any:
        return lambda *_: steps.append((step, _is_held(house), house.home.erasure.exists()))

    monkeypatch.setattr(persons, "check", note("it looks whether somebody can be erased"))

    def finish(*_: Any) -> None:
        note("it is carried out")()
        raise KeyboardInterrupt  # as if it was killed

    monkeypatch.setattr(erasure, "_finish", finish)
    with pytest.raises(KeyboardInterrupt):
        erasure.erase(house.home, house.organizations["agua"], ["c-1"], lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        erasure.finish(house.home, lambda _: None)
    assert steps == [
        ("it looks whether somebody can be erased", True, False),
        ("it is carried out", True, True),
        ("it is carried out", True, True),
    ]
    assert not _is_held(house)
