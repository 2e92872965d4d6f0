"""Runs a business date, step by step, and kills the process of the run at a named step.

Not a test: test_killed_runs.py starts it and writes the steps to its standard input, one a line
(an empty line: nobody dies). Each run is a process of its own, forked from this one, which answers
with its exit status.
"""

from __future__ import annotations

import os
import sys
from datetime import date
from typing import Any

import dagster as dg

from orchestration import definitions, runs
from orchestration.installation import locking
from orchestration.installation.home import Home
from tests.orchestration.dying import arm_at, die

OUTBOX = ["outbox", "files"]
PUBLISHED = ["published", "analytics"]
# For each step: the function; whether death comes before or after it did its work, or when a path
# holds a word; and the asset that is run alone, once all before it has been seen to end.
STEPS: dict[str, tuple[str, str, list[str] | None]] = {
    "before a received file has its name": ("orchestration.landing.store:keep", "before", None),
    "before the manifest is written": (
        "orchestration.landing.manifests:write_manifest",
        "before",
        None,
    ),
    "after the manifest is written": (
        "orchestration.landing.manifests:write_manifest",
        "after",
        None,
    ),
    "within the transaction of the load": (
        "orchestration.intake.loading:_load_events",
        "after",
        None,
    ),
    "after the load is in raw": ("orchestration.intake.loading:load", "after", None),
    "within the build, its dbt living on": ("", "build", None),
    "before the load is finished": (
        "orchestration.installation.warehouse:finish_load",
        "before",
        None,
    ),
    "after the load is finished in the marts": (
        "orchestration.installation.warehouse:_stamp",
        "after",
        None,
    ),
    "before the local file has its name": ("pathlib:Path.replace", "outbox", None),
    "before the upload": ("orchestration.servers.sftp:Client.upload", "before", OUTBOX),
    "before the intent is noted": (
        "orchestration.delivery.ledger:Batch.note_intent",
        "before",
        OUTBOX,
    ),
    "after the intent is noted": (
        "orchestration.delivery.ledger:Batch.note_intent",
        "after",
        OUTBOX,
    ),
    "before the rename of the upload": ("paramiko:SFTPClient.rename", "before", OUTBOX),
    "before the outcome is noted": (
        "orchestration.delivery.ledger:Batch.note_outcomes",
        "before",
        OUTBOX,
    ),
    "after the outcome is noted": (
        "orchestration.delivery.ledger:Batch.note_outcomes",
        "after",
        OUTBOX,
    ),
    "before the ledger is in the warehouse": (
        "orchestration.installation.warehouse:insert",
        "deliveries",
        OUTBOX,
    ),
    "before the marts are copied": (
        "orchestration.delivery.published_copy:_copy_marts",
        "before",
        PUBLISHED,
    ),
    "after the marts are copied": (
        "orchestration.delivery.published_copy:_copy_marts",
        "after",
        PUBLISHED,
    ),
    "after the copy has all that is published": (
        "orchestration.delivery.published_copy:_complete",
        "after",
        PUBLISHED,
    ),
    "before the published copy is in place": ("pathlib:Path.replace", "analytics", PUBLISHED),
    "after the published copy is in place": (
        "orchestration.delivery.published_copy:publish",
        "after",
        PUBLISHED,
    ),
}


def arm(step: str) -> None:
    """Have this process die at a step."""
    place, when, _ = STEPS[step]
    if when == "build":
        _die_once_dbt_writes()
    else:
        arm_at(place, when)


def _die_once_dbt_writes() -> None:
    from dagster_dbt import DbtCliInvocation

    stream = DbtCliInvocation.stream

    def mortal(self: DbtCliInvocation) -> Any:
        for number, event in enumerate(stream(self)):
            if number == 10:  # the staging views are there, the tables are not
                die()
            yield event

    DbtCliInvocation.stream = mortal


def run(day: date, step: str) -> None:
    """Run a date, or the asset of a step, and die there."""
    home = Home.from_environment()
    # The dbt of a killed run lives on, and may take long beside other tests.
    with locking.exclusive(home, wait_seconds=600):
        alone = STEPS[step][2] if step else None
        if step:
            arm(step)
        if alone is None:
            runs.run_business_date(home, day, lambda _: None)
            return
        with dg.DagsterInstance.get() as instance:
            definitions.defs().resolve_job_def("business_date").execute_in_process(
                instance=instance,
                partition_key=day.isoformat(),
                asset_selection=[dg.AssetKey(alone)],
            )


def main() -> None:
    """Answer each step with the exit status of its run."""
    day = date.fromisoformat(sys.argv[1])
    # Read once, for all the runs to come.
    assembled = definitions.defs()
    definitions.defs = lambda: assembled
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            status = 1
            try:
                run(day, line.strip())
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(process, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
