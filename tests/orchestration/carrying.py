"""Carries one load, or checks the inbox, and dies where it is told to.

Not a test: test_killed_arrivals.py has it forked, with the date of the load in `DAY`, empty for a
check.
"""

from __future__ import annotations

import os
import sys
from datetime import date

from orchestration.contracts.organizations import read_organizations
from orchestration.installation import warehouse
from orchestration.installation.home import Home
from orchestration.intake import checking, loads
from tests.orchestration.dying import arm_at


def main() -> None:
    """Carry a load of the date, or check."""
    if len(sys.argv) > 1:
        place, when, call = sys.argv[1:]
        arm_at(place, when, int(call))
    home = Home.from_environment()
    if os.environ["DAY"] == "":
        (checked,) = checking.check(home, read_organizations(home.seeds), os.environ)
        sys.exit(0 if checked.is_good else 1)
    with warehouse.connect(home) as connection:
        day = date.fromisoformat(os.environ["DAY"])
        carried = loads.carry_next(connection, home, day, os.environ)
        warehouse.finish_load(connection, carried.manifest.load_id)


if __name__ == "__main__":
    main()
