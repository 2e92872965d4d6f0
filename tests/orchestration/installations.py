"""Installations beside a real SFTP server, worked by the operators' command.

A test says what organizations left in their inboxes and what analysts read afterwards, and nothing
of what is between: for the sample organizations, command by command, or for one organization for
each case of many, what a single run makes of their files.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TypeVar

import duckdb

from orchestration.contracts.organizations import normalize_header
from orchestration.devtools.demo import installation
from orchestration.devtools.demo.samples import DAYS
from orchestration.devtools.loopback_sftp import HOST, LoopbackServer, serve
from orchestration.installation import warehouse
from orchestration.installation.home import PROJECT, Home
from tests.orchestration.forking import run_module
from tests.orchestration.starting import keep_parse, lend_parse, made_once

DAY = "2026-03-02"
INVOICES = f"{DAY}_toku_invoices.csv"
PAYMENTS = f"{DAY}_toku_payments.csv"
CUSTOMERS = f"{DAY}_toku_customers.xlsx"

Rows = list[tuple[object, ...]]


@dataclass(frozen=True)
class Installed:
    """The sample installation between two commands.

    Args:
        home: where it keeps everything.
        server_root: the folder of the SFTP server; an organization's inbox is below its id.
        environment: the variables that lead to the home and open the server.

    """

    home: Home
    server_root: Path
    environment: dict[str, str]

    def command(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`python -m orchestration ARGUMENTS`, on a terminal that is wide enough."""
        return run_module("orchestration", arguments, self._variables(variables))

    def python(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """`python ARGUMENTS` in the project's folder."""
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=PROJECT,
            env=self._variables(variables),
            capture_output=True,
            text=True,
            check=False,
        )

    def _variables(self, more: Mapping[str, str]) -> dict[str, str]:
        return {**os.environ, **self.environment, "COLUMNS": "120", **more}

    def upload(self, day: date) -> None:
        """Leave the sample organizations' files and events of a day where Saldo looks for them."""
        installation.upload(self.home, self.server_root, day)

    def query(self, sql: str) -> Rows:
        """Ask the published copy, as an analyst would."""
        with duckdb.connect(str(self.home.analytics), read_only=True) as connection:
            return connection.execute(sql).fetchall()


Kind = TypeVar("Kind", bound=Installed)


@contextmanager
def install(
    root: Path, kind: type[Kind], days: int = 0, former: Path | None = None
) -> Iterator[Kind]:
    """Make the sample installation below a folder, its server at work until the block ends.

    Args:
        root: the folder; `home`, `server` and `server_state` will be in it.
        kind: what the test calls the installation.
        days: how many of the sample days have been run. They are run once in a session, and copied.
        former: a folder that this function has made before, which is copied.

    """
    if days:
        former = made_once(f"after_{days}_days", partial(_run_days, days))
    if former:
        shutil.copytree(former, root, symlinks=True, dirs_exist_ok=True)
    with serve(root / "server", root / "server_state") as server:
        if former:
            home = Home(root / "home", root / "home" / "seeds")
            environment = _lead_to(home, server)
            keep_parse(Home(former / "home", former / "home" / "seeds"), home)
        else:
            home, environment = installation.make(root / "home", server)
            lend_parse(home)
        yield kind(home, server.root, environment)


# On the second day a file is held.
_EXIT_STATUSES = (0, 1, 0)


def _run_days(days: int, root: Path) -> None:
    """Run the last of the days where the day before ended."""
    with install(root, Installed, days - 1) as installed:
        day = DAYS[days - 1]
        installed.upload(day)
        ran = installed.command("run", "--date", day.isoformat())
        assert ran.returncode == _EXIT_STATUSES[days - 1], ran.stdout + ran.stderr


def _lead_to(home: Home, server: LoopbackServer) -> dict[str, str]:
    """Have the contracts name a server; the variables that lead to it and to the home."""
    path = home.seeds / "organizations.csv"
    with path.open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "sftp_port": str(server.port)} for row in rows)
    secrets = server.environment([row["organization_id"] for row in rows])
    return {**home.environment(), **secrets}


@dataclass(frozen=True)
class Deposit:
    """What one organization leaves in its inbox, and the contract that it has.

    Args:
        content: the bytes of its file.
        contract: cells of its row of organizations.csv; the others are those of a small
            organization in `replace` mode of which any share of rows may be refused.
        name: of the file.
        aliases: its own header names, with the field of debts files that each means.
        size: of the file, where it is more than the content: the rest is a hole.
        beside: the bytes of other files, by name.

    """

    content: bytes
    contract: Mapping[str, str] = field(default_factory=dict)
    name: str = INVOICES
    aliases: Mapping[str, str] = field(default_factory=dict)
    size: int = 0
    beside: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Ran:
    """An installation after a run.

    Args:
        home: where it keeps everything.
        server_root: the folder of the SFTP server; an organization's inbox is below its id.
        command: the run, with all that it printed.
        environment: its variables.

    """

    home: Home
    server_root: Path
    command: subprocess.CompletedProcess[str]
    environment: Mapping[str, str] = field(default_factory=dict)

    def again(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Another command of the same installation."""
        return run_module("orchestration", arguments, self.environment)

    def query(self, sql: str, *parameters: object) -> Rows:
        """Ask the writer's warehouse, where raw rows are too."""
        with warehouse.reading(self.home) as connection:
            return connection.execute(sql, parameters).fetchall()

    def raw_rows(self, organization_id: str) -> Rows:
        """The rows of its debts file as they landed: line, the four fields, attributes."""
        rows = self.query(
            """
            select line_number, customer_id, product_id, due_date, amount, attributes
            from raw.invoices
            inner join raw.intake_files using (load_id, file_id)
            where organization_id = ?
            order by line_number
            """,
            organization_id,
        )
        return [(*row[:-1], as_attributes(row[-1])) for row in rows]

    def debts(self, organization_id: str) -> Rows:
        """Its debts: customer, product, due date, amount, attributes."""
        rows = self.query(
            """
            select customer_id, product_id, due_date, amount, attributes
            from debts
            where organization_id = ? and status = 'pending'
            order by all
            """,
            organization_id,
        )
        return [(*row[:-1], as_attributes(row[-1])) for row in rows]

    def refused_rows(self, organization_id: str) -> Rows:
        """Line and code of each refused row."""
        return self.query(
            """
            select line_number, code from intake_rejections where organization_id = ? order by all
            """,
            organization_id,
        )

    def files(self, organization_id: str) -> Rows:
        """Status and code of each file."""
        return self.query(
            "select status, code from intake_files where organization_id = ? order by load_id",
            organization_id,
        )

    def log_texts(self) -> Iterator[tuple[str, str]]:
        """Whatever was printed or logged: where, and what."""
        yield "the terminal", self.command.stdout + self.command.stderr
        for folder in (self.home.root / "logs", self.home.dagster):
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    yield path.name, path.read_bytes().decode("utf-8", "replace")


def as_attributes(text: object) -> dict[str, str] | None:
    """The attributes of a row or debt as a dictionary."""
    return json.loads(str(text)) if text is not None else None


def organization_of(case: str) -> str:
    """The organization id of a case."""
    return f"case_{normalize_header(case)}"


@contextmanager
def one_run(
    root: Path,
    deposits: Mapping[str, Deposit],
    environment: Mapping[str, str] | None = None,
    trusted: Sequence[Path] = (),
) -> Iterator[Ran]:
    """Run one business date for all cases.

    Args:
        root: a folder for everything.
        deposits: by case.
        environment: more variables for the run.
        trusted: files with the keys of servers that some contracts name, beside the one of all.

    """
    home = Home(root / "home", root / "seeds")
    with serve(root / "server", root / "server_state") as server:
        _write_seeds(home.seeds, server, deposits)
        home.create()
        lend_parse(home)
        for case, deposit in deposits.items():
            folder = server.root / organization_of(case)
            (folder / "inbox").mkdir(parents=True)
            (folder / "outbox").mkdir()
            path = folder / "inbox" / deposit.name
            path.write_bytes(deposit.content)
            for name, content in deposit.beside.items():
                (folder / "inbox" / name).write_bytes(content)
            if deposit.size:
                os.truncate(path, deposit.size)
        secrets = server.environment([organization_of(case) for case in deposits])
        with Path(secrets["SFTP_KNOWN_HOSTS_FILE"]).open("a") as known_hosts:
            known_hosts.writelines(each.read_text() for each in trusted)
        variables = {**os.environ, **home.environment(), **secrets, **(environment or {})}
        ran = Ran(home, server.root, subprocess.CompletedProcess([], 0), variables)
        yield replace(ran, command=ran.again("run", "--date", DAY))


def _write_seeds(folder: Path, server: LoopbackServer, deposits: Mapping[str, Deposit]) -> None:
    shutil.copytree(PROJECT / "seeds", folder)
    installation.take_at_once(folder)
    path = folder / "organizations.csv"
    with path.open(encoding="utf-8", newline="") as source:
        columns = list(csv.DictReader(source).fieldnames or [])
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, columns, restval="", lineterminator="\n")
        writer.writeheader()
        for case, deposit in deposits.items():
            organization_id = organization_of(case)
            contract = {
                "organization_id": organization_id,
                "name": case,
                "country": "CL",
                "customer_id_scheme": "rut",
                "update_mode": "replace",
                "payment_flow": "instant",
                "sftp_host": HOST,
                "sftp_port": str(server.port),
                "sftp_username": server.username,
                "inbox_dir": f"{organization_id}/inbox",
                "outbox_dir": f"{organization_id}/outbox",
                "max_rejected_share": "1",
            }
            writer.writerow({**contract, **deposit.contract})
    path = folder / "column_aliases.csv"
    # Without those of the sample organizations, which have no contract here.
    header, *lines = path.read_text("utf-8").splitlines()
    general = [line for line in lines if line.startswith(",")]
    aliases = [
        f"{organization_of(case)},invoices,{alias},{name}"
        for case, deposit in deposits.items()
        for alias, name in deposit.aliases.items()
    ]
    path.write_text("\n".join([header, *general, *aliases, ""]), "utf-8")
