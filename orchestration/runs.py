"""Run business dates from the command line, load by load."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from orchestration.contracts.organizations import TIME_ZONE, read_organizations
from orchestration.installation import (
    damage,
    databases,
    dbt_forks,
    engines,
    kept_tables,
    spark,
    warehouse,
)
from orchestration.installation.errors import ToldError
from orchestration.installation.home import Home
from orchestration.installation.messages import Say
from orchestration.intake import decisions, soundness, uploads
from orchestration.landing import manifests, row_files
from orchestration.landing.sealing import missing
from orchestration.reports import progress


class RunFailedError(ToldError):
    """A step of the run failed; the message names the step and includes its error."""

    # Dagster sends alerts for failed runs only.
    is_sent = True


class DagsterFailedError(ToldError):
    """Dagster could not start a run or store its events; no alert of Dagster reports this."""


@dataclass(frozen=True)
class LoadRun:
    """A load that a run completed, with deliveries and the published copy."""

    load_id: int
    business_date: date


class _Log(io.TextIOBase):
    """A log file that drops lines when the disk is full: the step that needs space reports it."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab", buffering=0)

    def write(self, text: str, /) -> int:
        with suppress(OSError):
            self._file.write(text.encode())
        return len(text)

    def close(self) -> None:
        self._file.close()
        super().close()


def run_business_date(home: Home, business_date: date, say: Say) -> list[LoadRun]:
    """Run the job until nothing for this date waits: one run per load.

    Args:
        home: the installation; its environment must be set.
        business_date: the partition.
        say: called with progress messages.

    Raises:
        RunFailedError: a step failed. Another run continues from there.

    """
    return _run(home, business_date, say, lambda: False)


def run_decisions(home: Home, say: Say) -> list[LoadRun]:
    """Apply operators' decisions; inboxes wait for the next run of a business date.

    The loads belong to the newest business date, whose publications are already closed.

    Raises:
        RunFailedError: a step failed. Another run continues from there.

    """
    return _run_waiting(home, say, lambda: decisions.is_any_noted(home))


def run_uploads(home: Home, say: Say) -> list[LoadRun]:
    """Load the uploaded workbooks; like run_decisions, this does not check inboxes (R26).

    Raises:
        RunFailedError: a step failed. Another run continues from there.

    """
    organizations = read_organizations(home.seeds)
    return _run_waiting(home, say, lambda: bool(uploads.read_waiting(home, organizations)))


def replay(home: Home, say: Say) -> list[LoadRun]:
    """Rebuild the warehouse from the landing area, load by load (R10).

    The old warehouse is set aside, because it may be damaged. No inbox is checked, and nothing is
    delivered a second time.

    Returns:
        The loads; none if the landing area is empty.

    Raises:
        DamagedError: the landing area is damaged; nothing has changed.
        RunFailedError: a step failed. The next run continues from there.

    """
    set_aside(home, say)
    return run_landed(home, say)


def require_engine(home: Home) -> None:
    """Check that what built the models of the former loads can build them now.

    Raises:
        OtherEngineError: SALDO_TARGET names another engine.
        ToldError: it cannot run here, or what a killed run asked of it cannot be ended.

    """
    spark.end_session(home)
    with warehouse.connect(home) as connection:
        engines.check(connection, home)


def set_aside(home: Home, say: Say) -> None:
    """Move the warehouse away, so that all landed loads run again.

    Without loads it stays, unless it cannot be used: another version may have made it, dbt alone
    builds one before the first load. What a killed replay left without its warehouse is set aside,
    too. The tables on Spark are deleted: a replay there makes them anew.

    Raises:
        DamagedError: the landing area is damaged, or a warehouse without loads; nothing has
            changed.
        ToldError: what is to build them cannot run here, or what a killed run asked of a cluster
            cannot be ended; nothing has changed.

    """
    soundness.require_landing(home)
    if not manifests.load_ids(home) and not _is_unusable(home):
        return
    engines.chosen().require(home)
    spark.forget(home)
    row_files.forget_all(home)
    for former, aside in home.set_aside.items():
        if former.exists():
            say(f"the former {former.name} is now {aside}")
        databases.move(former, aside)


def _is_unusable(home: Home) -> bool:
    if not home.warehouse.exists():
        return False
    try:
        with warehouse.connect(home) as connection:
            warehouse.check_raw(connection)
            kept_tables.check(connection)
    except warehouse.OlderWarehouseError:
        return True
    except damage.DamagedError:
        # Of a home that has published, the landing area may be lost.
        if home.analytics.exists():
            raise
        return True
    return False


def run_landed(home: Home, say: Say) -> list[LoadRun]:
    """Run the landed loads that are not in the warehouse, and take nothing new.

    Raises:
        RunFailedError: a step failed. Another run continues from there.

    """
    first = manifests.read_manifest(home, 1)
    if first is None:
        return []
    return _run(home, first.business_date, say, lambda: not is_recovery_due(home))


def _run_waiting(home: Home, say: Say, is_waiting: Callable[[], bool]) -> list[LoadRun]:
    """Run what waits in a spool folder, for the newest business date, or today if there is none."""
    with warehouse.connect(home) as connection:
        business_date = warehouse.last_business_date(connection)
    today = datetime.now(TIME_ZONE).date()

    def is_done() -> bool:
        return not is_waiting() and not is_recovery_due(home)

    return _run(home, business_date or today, say, is_done)


def _run(home: Home, business_date: date, say: Say, is_done: Callable[[], bool]) -> list[LoadRun]:
    """Run load after load until nothing waits; `is_done`, called before each load, can stop it.

    Raises:
        ToldError: a step failed; the message says what to do.

    """
    # The import takes seconds, and reads this process's home.
    from orchestration.job import opened_job  # noqa: PLC0415 (see above)

    runs: list[LoadRun] = []
    # dbt reports each model and test; on a terminal this would hide the important lines.
    log = home.root / "logs" / f"{business_date}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    terminal = sys.stdout

    def say_meanwhile(text: str) -> None:
        with redirect_stdout(terminal):
            say(text)

    with ExitStack() as stack:
        # Its libraries are imported while Dagster's are.
        stack.enter_context(dbt_forks.lent())
        stack.enter_context(progress.listening(say_meanwhile))
        with _explaining_dagster_errors(home):
            job = stack.enter_context(opened_job(home))
        while not is_done():
            is_recovery = is_recovery_due(home)
            if is_recovery:
                say("carrying a load through that landed before")
            with _explaining_dagster_errors(home), _Log(log) as output:
                failure = job.run(business_date, output)
            if failure is not None:
                log_line = (
                    "" if failure.says_all else f"\nlook into the whole log, then run again: {log}"
                )
                raise RunFailedError(failure.said + log_line)
            with warehouse.connect(home) as connection:
                load_id = warehouse.last_load_id(connection)
            manifest = manifests.read_manifest(home, load_id)
            if manifest is None:
                raise missing(manifests.manifest_path(home, load_id))
            runs.append(LoadRun(load_id, manifest.business_date))
            if not is_recovery and not manifest.is_followed:
                break
    return runs


@contextmanager
def _explaining_dagster_errors(home: Home) -> Iterator[None]:
    """Explain in one sentence why Dagster failed: a full disk, or settings that it cannot read."""
    try:
        yield
    except ToldError:
        raise
    except Exception as error:
        if damage.is_of_full_disk(error):
            raise damage.full_disk(home.dagster) from error
        first_line = str(error).partition("\n")[0]
        raise DagsterFailedError(
            f"Dagster failed ({type(error).__name__}: {first_line}): look at its settings in"
            f" {home.dagster}, then run again"
        ) from error


def is_recovery_due(home: Home) -> bool:
    """Return whether a landed load has not been completed."""
    with warehouse.connect(home) as connection:
        next_load_id = warehouse.last_load_id(connection) + 1
        return (
            warehouse.unfinished_load_id(connection) is not None
            or manifests.read_manifest(home, next_load_id) is not None
        )
