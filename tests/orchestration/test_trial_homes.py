"""Homes for trials are deleted once nobody uses them, and not before (R30): they hold files."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from orchestration.installation import warehouse
from orchestration.installation.home import Home
from orchestration.intake import loads
from orchestration.intake.trial_homes import trial_home
from orchestration.privacy import erasure
from tests.orchestration.houses import House


def _names(home: Home) -> list[str]:
    return sorted(path.name for path in home.scratch.iterdir())


def _leave(home: Home, act: str) -> str:
    """What a process leaves that is killed within a trial: the name of its folder."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        with trial_home(home, act) as trial:
            os.write(writing, trial.root.name.encode())
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(process, 0)
    os.close(writing)
    with os.fdopen(reading, "rb") as told:
        name = told.read().decode()
    assert name in _names(home)
    return name


def test_a_trial_is_deleted_when_it_ends_also_by_an_error(home: Home) -> None:
    with suppress(LookupError), trial_home(home, "try") as trial:
        assert _names(home) == [trial.root.name]
        assert trial.landing.exists()
        raise LookupError
    assert _names(home) == []


@pytest.mark.parametrize("act", ["try", "check"])
def test_the_next_trial_deletes_what_a_killed_one_left_and_no_other(home: Home, act: str) -> None:
    with trial_home(home, "check") as under_way:
        _leave(home, act)
        with trial_home(home, "try") as trial:
            assert _names(home) == sorted([under_way.root.name, trial.root.name])
        assert under_way.landing.exists()


def test_an_erasure_deletes_all_but_the_trials_that_are_under_way(home: Home) -> None:
    with trial_home(home, "check") as under_way:
        _leave(home, "check")
        (home.scratch / "sightings.json").write_text("{}")
        (home.scratch / "previews").mkdir()
        erasure._forget_former(home)
        assert _names(home) == [under_way.root.name]
        assert under_way.landing.exists()
    assert _names(home) == []


def test_a_run_deletes_the_copies_of_files_that_a_killed_one_left(tmp_path: Path) -> None:
    house = House.make(tmp_path, {})
    home = house.home
    with trial_home(home, "try") as under_way, warehouse.connect(home) as connection:
        _leave(home, "check")
        (home.scratch / "tmpa1b2c3d4.csv").write_text("a debts file")
        (home.scratch / "tmpe5f6g7h8").mkdir()
        (home.scratch / "tmpe5f6g7h8" / "customers.jsonl").write_text("a workbook")
        (home.scratch / "sightings.json").write_text("{}")
        loads.carry_next(connection, home, house.loaded_at.date(), {})
        assert _names(home) == ["sightings.json", under_way.root.name]
