"""Make the installation of a soak, and run its dates with their faults and kills.

This module has no tests: test_soak.py compares the results of each date with the oracle.
"""

from __future__ import annotations

import csv
import os
import random
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date
from itertools import islice
from pathlib import Path

import dagster as dg
import pytest

from orchestration.devtools.demo.installation import take_at_once
from orchestration.devtools.loopback_sftp import HOST, serve
from orchestration.installation.home import PROJECT, Home
from tests.orchestration.histories import History, business_date, draw_long
from tests.orchestration.networks import network
from tests.orchestration.soak import EATER, UNSTEADY_COUNT, Soak, SoakError, Unsteady
from tests.orchestration.soak_faults import OTHER_FAULTS, SERVER_FAULTS, Fault

ORGANIZATIONS = 10
OTHER_FAULTS_A_DATE = 2
# Later runs take what a fault held back. After so many dates, the date is run until nothing waits.
DATES_TO_CATCH_UP = 5
RUNS_TO_CATCH_UP = 12


@contextmanager
def installed(root: Path, dates: int, seed: int) -> Iterator[Soak]:
    """Make an installation with its servers and its daemon, and stop them when the block ends."""
    histories = {
        history.contract.organization_id: _without_decisions(history)
        for history in draw_long(seed, ORGANIZATIONS, dates)
    }
    with ExitStack() as stack:
        home = Home(root / "home", root / "seeds")
        steady = stack.enter_context(serve(root / "steady", root / "steady_state"))
        keys = steady.environment(list(histories))
        known_hosts = root / "known_hosts"
        shutil.copyfile(steady.known_hosts_file, known_hosts)
        ports = dict.fromkeys(histories, steady.port)
        unsteady = []
        for organization_id in sorted(histories)[:UNSTEADY_COUNT]:
            folder, state = root / f"of_{organization_id}", root / f"state_of_{organization_id}"
            with serve(folder, state) as once:
                port, key = once.port, once.known_hosts_file.read_text().split(maxsplit=1)[1]
                keys |= once.environment([organization_id])
            between = stack.enter_context(network(port))
            with known_hosts.open("a") as known:
                known.write(f"[{HOST}]:{between.port} {key}")
            ports[organization_id] = between.port
            unsteady.append(Unsteady(organization_id, folder, state, port, between))
        _write_contracts(home.seeds, histories, steady.username, ports)
        home.create()
        settings = home.dagster / "dagster.yaml"
        settings.write_text(
            settings.read_text().replace(
                "run_monitoring:\n", "run_monitoring:\n  poll_interval_seconds: 3\n"
            )
        )
        environment = {
            **os.environ,
            **home.environment(),
            **keys,
            "SFTP_KNOWN_HOSTS_FILE": str(known_hosts),
            # give up soon on a server that does not answer
            "SALDO_LOOK_SECONDS": "15",
        }
        variables = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in home.environment().items():
            variables.setenv(name, value)
        # This creates Dagster's tables before the daemon starts.
        instance = stack.enter_context(dg.DagsterInstance.get())
        faults = random.Random(seed)
        soak = Soak(home, histories, steady, unsteady, instance, environment, faults)
        for organization_id in histories:
            for name in ("inbox", "outbox", "eaten"):
                (soak.folder(organization_id) / name).mkdir(parents=True)
        for server in unsteady:
            server.start()
            stack.callback(server.stop)
        soak.start_daemon()
        stack.callback(soak.kill_daemon)
        soak.dagster("sensor", "start", "killed_runs")
        with _eating(soak.folder(EATER)):
            yield soak


@contextmanager
def _eating(folder: Path) -> Iterator[None]:
    """Remove each file from an outbox as soon as it has its name, and number repeated names."""
    is_over = threading.Event()

    def eat() -> None:
        while not is_over.wait(0.01):
            for path in (folder / "outbox").glob("[!.]*"):
                number = len(list((folder / "eaten").glob(f"{path.name}.*")))
                path.rename(folder / "eaten" / f"{path.name}.{number}")

    thread = threading.Thread(target=eat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def _without_decisions(history: History) -> History:
    return replace(history, loads=tuple(replace(load, decisions=()) for load in history.loads))


def live(soak: Soak, dates: int, kills_a_date: int) -> Iterator[date]:
    """Run the business dates, and yield each one after its run has succeeded.

    On each date one server has a fault, and two other faults happen. Every fault happens once
    before any happens again.

    Raises:
        SoakError: a file or event still waits after all faults have ended.

    """
    of_servers, others = _deal(soak, SERVER_FAULTS), _deal(soak, OTHER_FAULTS)
    for number in range(1, dates + 1):
        day = business_date(number)
        soak.counts["dates"] = number
        soak.leave_files(number)
        with ExitStack() as at_once:
            faults = dict([next(of_servers), *islice(others, OTHER_FAULTS_A_DATE)])
            for name, happens in faults.items():
                at_once.enter_context(happens(soak))
                soak.counts[name] += 1
            soak.leave_events(number)
            soak.run(day, kills_a_date)
        if number % DATES_TO_CATCH_UP == 0 or number == dates:
            _catch_up(soak, day)
        yield day


def _deal(soak: Soak, faults: Mapping[str, Fault]) -> Iterator[tuple[str, Fault]]:
    while True:
        yield from soak.faults.sample(sorted(faults.items()), len(faults))


def _catch_up(soak: Soak, day: date) -> None:
    for _ in range(RUNS_TO_CATCH_UP):
        if not (waiting := soak.find_waiting()):
            soak.troubled.clear()
            return
        soak.run(day)
    raise SoakError(f"after {day} there waits still: {sorted(waiting)[:5]}")


def _write_contracts(
    seeds: Path, histories: Mapping[str, History], username: str, ports: Mapping[str, int]
) -> None:
    shutil.copytree(PROJECT / "seeds", seeds)
    aliases = seeds / "column_aliases.csv"
    lines = aliases.read_text("utf-8").splitlines(keepends=True)
    aliases.write_text("".join([lines[0], *(each for each in lines if each[0] == ",")]), "utf-8")
    take_at_once(seeds)
    path = seeds / "organizations.csv"
    with path.open(encoding="utf-8", newline="") as source:
        columns = list(csv.DictReader(source).fieldnames or [])
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, columns, restval="", lineterminator="\n")
        writer.writeheader()
        for organization_id, history in histories.items():
            contract = history.contract
            writer.writerow(
                {
                    "organization_id": organization_id,
                    "name": organization_id,
                    "country": "CL",
                    "customer_id_scheme": contract.customer_id_scheme,
                    "update_mode": contract.update_mode,
                    "payment_flow": contract.payment_flow,
                    "currency": contract.currency,
                    "sftp_host": HOST,
                    "sftp_port": str(ports[organization_id]),
                    "sftp_username": username,
                    "inbox_dir": f"{organization_id}/inbox",
                    "outbox_dir": f"{organization_id}/outbox",
                    "max_withdrawal_share": str(contract.max_withdrawal_share),
                    "max_rejected_share": str(contract.max_rejected_share),
                }
            )
