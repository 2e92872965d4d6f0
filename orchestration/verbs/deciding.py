"""`held`, `approve`, `refuse`, `load-decisions`: files that wait for a decision (R17)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime

import click
from rich.console import Console

from orchestration import runs
from orchestration.contracts.organizations import read_contracts
from orchestration.delivery import published_copy
from orchestration.installation import locking, warehouse
from orchestration.installation.damage import DamagedError
from orchestration.installation.databases import Connection
from orchestration.installation.home import Home
from orchestration.intake import decisions
from orchestration.intake.decisions import DecidedError, HeldFile, OvertakenError
from orchestration.reports import alerts
from orchestration.reports.printing import as_text, make_table, say
from orchestration.verbs.common import exit_on_user_error, open_home


@click.command()
def held() -> None:
    """List the files that wait for a decision, with the difference that they would make."""
    console, home = Console(), open_home()
    with exit_on_user_error():
        with published_copy.reading(home) as published:
            files = decisions.read_held(published)
        _show_held(console, files)
        sys.exit(1 if files else 0)


@click.command()
@click.argument("file_id")
def approve(file_id: str) -> None:
    """Apply a held file as it is."""
    _decide(file_id, decisions.APPROVED)


@click.command()
@click.argument("file_id")
def refuse(file_id: str) -> None:
    """Refuse a held file: the debts stay as they are.

    Also a file at which a load cannot go on, which then goes on without it, unless it was applied
    before.
    """
    home = open_home()
    with exit_on_user_error():
        if _read_status(home, file_id) not in (decisions.APPLIED, decisions.HELD):
            with locking.exclusive(home):
                if _leave_out(home, file_id):
                    return
    _decide(file_id, decisions.REFUSED)


@click.command()
def load_decisions() -> None:
    """Carry out the decisions that wait; the pages start this when an operator has decided."""
    console, home = Console(), open_home()
    with (
        exit_on_user_error(),
        alerts.sent_if_raised("decisions on held files could not be carried out"),
    ):
        read_contracts(home.seeds)
        with locking.exclusive(home):
            runs.run_decisions(home, console.print)


def _decide(file_id: str, decision: str) -> None:
    """Record a decision, then apply it; the record waits while a run holds the warehouse.

    Of two people who decide on the same file, the first one counts.
    """
    console, home = Console(), open_home()
    with exit_on_user_error():
        read_contracts(home.seeds)
        with published_copy.reading(home) as published:
            decisions.check_held(published, file_id)
        counts = decisions.decide(home, file_id, decision, datetime.now(UTC))
        if counts.decision != decision:
            raise DecidedError(
                f"file {file_id} was {counts.decision} at {counts.decided_at:%Y-%m-%d %H:%M} UTC:"
                " the first decision counts, and the next run carries it out"
            )
        console.print(f"{file_id}: {decision}, noted", highlight=False)
        with locking.exclusive(home):
            # A replay may have come to the load that brought it.
            if decision == decisions.REFUSED and _leave_out(home, file_id):
                decisions.forget(home, file_id)
                return
            with console.status("carrying out the decision"):
                runs.run_decisions(home, console.print)
            with published_copy.reading(home) as published:
                _show_file(console, published, file_id)


def _read_status(home: Home, file_id: str) -> str | None:
    with suppress(DamagedError), published_copy.reading(home) as published:
        return decisions.read_status(published, file_id)
    return None


def _leave_out(home: Home, file_id: str) -> bool:
    """Leave a file out of the load that comes next, and say so; the caller has the lock."""
    if not home.warehouse.exists():
        return False
    with warehouse.connect(home) as connection:
        is_left_out = decisions.leave_out(connection, home, file_id)
    if is_left_out:
        click.echo(f"{file_id}: refused; `python -m orchestration run` goes on without it")
    return is_left_out


def _show_held(console: Console, files: Sequence[HeldFile]) -> None:
    """Print the held files with the difference that each would make."""
    if not files:
        console.print("no file is held")
        return
    names = ("id", "organization", "new", "changed", "same", "withdrawn", "kept", "unreadable")
    table = make_table("held files, and what they would do", names)
    for file in files:
        counts = (
            file.new_count,
            file.changed_count,
            file.unchanged_count,
            file.withdrawn_count,
            file.kept_in_process_count,
            file.unidentified_count,
        )
        table.add_row(file.file_id, file.organization_id, *map(as_text, counts))
    console.print(table)
    for file in files:
        say(console, f"{file.file_id} {file.file_name}: {file.message}")
    say(console, "decide: python -m orchestration approve ID, or refuse ID")


def _show_file(console: Console, connection: Connection, file_id: str) -> None:
    """Print the status of a file.

    Raises:
        OvertakenError: a newer file was applied before the decision, by a run or an earlier
            decision.

    """
    files = warehouse.read_rows(
        connection,
        "select organization_id, file_name, status, code, message from main.intake_files"
        " where file_id = $file_id",
        {"file_id": file_id},
    )
    if not files:
        say(console, f"there is no file {file_id}")
        return
    (file,) = files
    if file["status"] == "superseded":
        raise OvertakenError(file_id)
    why = "" if file["code"] is None else f" ({file['code']}): {file['message']}"
    say(console, f"{file['organization_id']} {file['file_name']}: {file['status']}{why}")
