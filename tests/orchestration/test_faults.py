"""Faults of networks, keys, clocks and people, lived through by a whole installation.

Seven organizations live through a Monday without a fault. On Tuesday harm is done to six of them,
each of another kind; then it is over, while two analysts read; at last nothing is new. The tests
say what is told of each, what the others have of it, and what is the same as ever once the harm is
over (R13, R20, R24, R28, R29). docs/reliability.md lists these and all other faults.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import duckdb
import paramiko
import pytest

from orchestration.devtools.loopback_sftp import HOST, serve
from orchestration.installation import warehouse
from orchestration.installation.home import PROJECT
from tests.orchestration.forking import run_module
from tests.orchestration.houses import csv_of, event_of
from tests.orchestration.installations import (
    DAY,
    Deposit,
    Ran,
    Rows,
    one_run,
    organization_of,
)
from tests.orchestration.networks import Network, network

MONDAY, TUESDAY = DAY, "2026-03-03"
STEADY = organization_of("steady")
DOWNLOAD, UPLOAD = organization_of("parted download"), organization_of("parted upload")
HOST_KEY, OUR_KEY = organization_of("changed host key"), organization_of("refused key")
AHEAD, BEHIND = organization_of("clock ahead"), organization_of("clock behind")
IDS = sorted((STEADY, DOWNLOAD, UPLOAD, HOST_KEY, OUR_KEY, AHEAD, BEHIND))
UNREAD = (DOWNLOAD, HOST_KEY, OUR_KEY)
# So that a server which does not answer is left soon.
SOON = {"SALDO_LOOK_SECONDS": "15"}
HEADER = ["cliente", "producto", "vencimiento", "monto"]
DEBTS = [["c1", "p1", "2026-03-20", "1000"], ["c2", "p2", "2026-03-20", "2000"]]
NEW = ["c3", "p3", "2026-04-20", "3000"]
ALL_TOLD = {
    f"{day}_toku_{name}"
    for day in (MONDAY, TUESDAY)
    for name in (
        "payments.csv",
        "payments.json",
        "invoices.csv.result.csv",
        "invoices.csv.summary.csv",
    )
}
PAYMENTS = f"{TUESDAY}_toku_payments.csv"


@dataclass
class Own:
    """A server of one organization, behind a network.

    Args:
        root: the folder that all servers serve.
        state: where its keys are.
        between: what Saldo connects to.
        port: where it listens.

    """

    root: Path
    state: Path
    port: int = 0
    between: Network = field(init=False)
    _server: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Start it, with the keys that it has by now."""
        self.port = self._server.enter_context(serve(self.root, self.state, self.port or None)).port

    def stop(self) -> None:
        """Stop it."""
        self._server.close()

    def known(self) -> str:
        """Its key as SFTP_KNOWN_HOSTS_FILE has it."""
        key = (self.state / "known_hosts").read_text().partition(" ")[2]
        return f"[{HOST}]:{self.between.port} {key}"


@dataclass(frozen=True)
class Seen:
    """What there is after a run.

    Args:
        exit_status: of the run.
        said: by the run.
        applied: the organizations of which a debts file of Tuesday was applied, and how often.
        debts: of each organization.
        landed: what has landed of each.
        outboxes: what each finds, temporary names too.

    """

    exit_status: int
    said: str
    applied: dict[str, int]
    debts: dict[str, Rows]
    landed: dict[str, set[Path]]
    outboxes: dict[str, dict[str, bytes]]


@dataclass(frozen=True)
class Watched:
    """A run while one analyst has the warehouse open and one the published copy.

    Args:
        holder: the process of the first, which leaves when the run has said something.
        warehouse: what that one has open.
        said: what the run said first.
        counts: of debts, as the second analyst found them before and after the run, and as one
            finds them who opens the copy then.

    """

    holder: int
    warehouse: Path
    said: str
    counts: tuple[int, int, int]


@dataclass(frozen=True)
class Lived:
    """All that was seen.

    Args:
        monday: before any harm.
        harmed: after the run of Tuesday while the harm was done.
        mended: after the next run.
        at_last: after one that had nothing to do.
        were_parted: whether each network was, after the harm.
        local_payments: the local copy of the payments file whose upload was broken off.
        attempts: what came of each attempt to send that file.
        watched: the second run of Tuesday.

    """

    monday: Seen
    harmed: Seen
    mended: Seen
    at_last: Seen
    were_parted: list[bool]
    local_payments: bytes
    attempts: Rows
    watched: Watched


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Lived:
    root = tmp_path_factory.mktemp("faults")
    with ExitStack() as stack:
        own = {}
        for organization_id in (DOWNLOAD, UPLOAD, HOST_KEY, OUR_KEY):
            made = Own(root / "server", root / f"state_of_{organization_id}")
            made.start()
            stack.callback(made.stop)
            made.between = stack.enter_context(network(made.port))
            own[organization_id] = made
        (root / "trusted").write_text("".join(each.known() for each in own.values()))
        keys = {
            f"SFTP_PRIVATE_KEY_FILE_{name.upper()}": str(each.state / "client_key")
            for name, each in own.items()
        }
        deposits = {
            name.removeprefix("case_"): Deposit(
                csv_of([HEADER, *DEBTS]),
                {"customer_id_scheme": "external_id"}
                | ({"sftp_port": str(own[name].between.port)} if name in own else {}),
            )
            for name in IDS
        }
        ran = stack.enter_context(one_run(root, deposits, keys, [root / "trusted"]))
        return _live(ran, own, root / "new_key")


def _live(ran: Ran, own: dict[str, Own], new_key: Path) -> Lived:
    """Go on after Monday."""
    monday = _see(ran, ran.command)
    _have_uploads_waited_for(ran.home.seeds / "organization_defaults.csv", seconds="2")
    (ran.home.events / f"{TUESDAY}.jsonl").write_text(json.dumps(_payment(UPLOAD)) + "\n")
    left = {name: ran.server_root / name / "inbox" / f"{TUESDAY}_toku_invoices.csv" for name in IDS}
    for name, path in left.items():
        more = b"\n" * 2_000_000 if name == DOWNLOAD else b""
        path.write_bytes(csv_of([HEADER, *DEBTS, NEW]) + more)
    networks = [own[name].between for name in (DOWNLOAD, UPLOAD)]
    read = networks[0].bytes_from_server
    networks[0].part_once(lambda: networks[0].bytes_from_server > read + 1_000_000)
    networks[1].part_once(lambda: set(_outbox(ran, UPLOAD)) != set(monday.outboxes[UPLOAD]))
    (own[HOST_KEY].state / "host_key").unlink()
    own[HOST_KEY].stop()
    own[HOST_KEY].start()
    key = paramiko.ECDSAKey.generate()
    key.write_private_key_file(str(new_key))
    accepted = own[OUR_KEY].state / "authorized_keys"
    accepted.write_text(f"{key.get_name()} {key.get_base64()}\n")
    ahead, behind = timedelta(days=400), timedelta(days=-9000)
    _date(left[AHEAD], ahead)
    _date(left[BEHIND], behind)
    harmed = _see(ran, _run(ran, SOON))
    were_parted = [each.is_parted for each in networks]

    for each in networks:
        each.mend()
    with Path(ran.environment["SFTP_KNOWN_HOSTS_FILE"]).open("a") as known_hosts:
        known_hosts.write(own[HOST_KEY].known())
    # One clock has been put back a day, the other goes on; nothing else tells the files apart.
    for name, off in ((AHEAD, ahead - timedelta(days=1)), (BEHIND, behind + timedelta(hours=1))):
        content = left[name].read_bytes()
        left[name].write_bytes(content.replace(b",1000", b",1111"))
        assert len(left[name].read_bytes()) == len(content)
        _date(left[name], off)
    named = {f"SFTP_PRIVATE_KEY_FILE_{OUR_KEY.upper()}": str(new_key)}
    command, watched = _watch(ran, named)
    mended = _see(ran, command)
    with warehouse.reading(ran.home) as connection:
        attempts = connection.execute(
            "select outcome from raw.deliveries where organization_id = ? and file_name = ?"
            " order by batch_id",
            [UPLOAD, PAYMENTS],
        ).fetchall()
    return Lived(
        monday,
        harmed,
        mended,
        _see(ran, _run(ran, named)),
        were_parted,
        (ran.home.outbox / UPLOAD / PAYMENTS).read_bytes(),
        attempts,
        watched,
    )


def _run(ran: Ran, more: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Tuesday."""
    typed = ["run", "--date", TUESDAY]
    return run_module("orchestration", typed, {**ran.environment, **more})


def _watch(ran: Ran, more: dict[str, str]) -> tuple[subprocess.CompletedProcess[str], Watched]:
    """Tuesday, beside two analysts."""
    typed = [sys.executable, "-m", "orchestration", "run", "--date", TUESDAY]
    of_the_copy = Analyst.opening(ran.home.analytics)
    try:
        before = of_the_copy.count()
        of_the_warehouse = Analyst.opening(ran.home.warehouse)
        with subprocess.Popen(
            typed, cwd=PROJECT, env={**ran.environment, **more}, stdout=subprocess.PIPE, text=True
        ) as run:
            assert run.stdout is not None
            said = run.stdout.readline()
            of_the_warehouse.leave()
            others = run.stdout.read()
        meanwhile = of_the_copy.count()
    finally:
        of_the_copy.leave()
    ((after,),) = _ask(ran, "select count(*) from debts")
    counts = before, meanwhile, int(str(after))
    watched = Watched(of_the_warehouse.process.pid, ran.home.warehouse, said, counts)
    return subprocess.CompletedProcess(typed, run.returncode, said + others), watched


def _see(ran: Ran, command: subprocess.CompletedProcess[str]) -> Seen:
    applied = _ask(
        ran,
        "select organization_id, count(*) from intake_files"
        f" where business_date = '{TUESDAY}' and status = 'applied' group by all",
    )
    debts = "from debts where organization_id = '{}' order by debt_id"
    return Seen(
        command.returncode,
        command.stdout,
        {str(name): int(str(count)) for name, count in applied},
        {name: _ask(ran, debts.format(name)) for name in IDS},
        {name: set((ran.home.landing / name).iterdir()) for name in IDS},
        {name: _outbox(ran, name) for name in IDS},
    )


def _ask(ran: Ran, sql: str) -> Rows:
    """Ask the published copy, as an analyst would."""
    with duckdb.connect(str(ran.home.analytics), read_only=True) as connection:
        return connection.execute(sql).fetchall()


def _outbox(ran: Ran, organization_id: str) -> dict[str, bytes]:
    paths = (ran.server_root / organization_id / "outbox").iterdir()
    return {path.name: path.read_bytes() for path in paths}


def _have_uploads_waited_for(defaults: Path, seconds: str) -> None:
    with defaults.open(encoding="utf-8", newline="") as source:
        (row,) = csv.DictReader(source)
    with defaults.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(row), lineterminator="\n")
        writer.writeheader()
        writer.writerow({**row, "quiet_seconds": seconds})


def _payment(organization_id: str) -> dict[str, object]:
    customer_id, product_id, due_date, amount = DEBTS[0]
    debt = {"customer_id": customer_id, "product_id": product_id, "due_date": due_date}
    at = f"{TUESDAY}T01:00:00-03:00"
    return event_of(organization_id, 1, **debt, amount=int(amount), occurred_at=at)


def _date(path: Path, off: timedelta) -> None:
    """Date a file and its folder as a server does whose clock is off."""
    instant = time.time() + off.total_seconds()
    for each in (path, path.parent):
        os.utime(each, (instant, instant))


READER = """
import duckdb, sys
with duckdb.connect(sys.argv[1], read_only=True) as connection:
    print("open", flush=True)
    for _ in sys.stdin:
        print(connection.execute("select count(*) from debts").fetchone()[0], flush=True)
"""


@dataclass(frozen=True)
class Analyst:
    """Somebody in another process who has a database open."""

    process: subprocess.Popen[str]

    @classmethod
    def opening(cls, path: Path) -> Analyst:
        """Open it, and keep it open."""
        process = subprocess.Popen(
            [sys.executable, "-c", READER, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        return cls(process)

    def count(self) -> int:
        """How many debts there are in what was opened."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def leave(self) -> None:
        """Close it."""
        self.process.communicate()


def test_what_is_harmed_harms_nobody_else_and_is_as_ever_once_it_is_mended(lived: Lived) -> None:
    assert lived.monday.exit_status == 0, lived.monday.said
    assert lived.harmed.exit_status == 1, lived.harmed.said
    assert lived.harmed.applied == {name: 1 for name in IDS if name not in UNREAD}
    for name in (STEADY, AHEAD, BEHIND):
        assert set(lived.harmed.outboxes[name]) == ALL_TOLD
    assert lived.mended.exit_status == 0, lived.mended.said
    twice = (AHEAD, BEHIND)
    assert lived.mended.applied == {name: 2 if name in twice else 1 for name in IDS}
    assert {name: set(lived.mended.outboxes[name]) for name in IDS} == dict.fromkeys(IDS, ALL_TOLD)


class TestPartedNetwork:
    """R13, R20, R24: bytes stop coming, and nobody says so."""

    def test_in_the_middle_of_a_download_nothing_of_the_file_counts(self, lived: Lived) -> None:
        assert lived.were_parted[0]
        assert f"{DOWNLOAD} inbox not read (timed_out)" in lived.harmed.said
        assert lived.harmed.debts[DOWNLOAD] == lived.monday.debts[DOWNLOAD]
        assert lived.harmed.landed[DOWNLOAD] == lived.monday.landed[DOWNLOAD]
        assert lived.mended.applied[DOWNLOAD] == 1
        assert set(lived.mended.outboxes[DOWNLOAD]) == ALL_TOLD

    def test_in_the_middle_of_an_upload_the_file_arrives_once_when_it_is_mended(
        self, lived: Lived
    ) -> None:
        assert lived.were_parted[1]
        (name,) = set(lived.harmed.outboxes[UPLOAD]) - set(lived.monday.outboxes[UPLOAD])
        assert name.startswith(f".{PAYMENTS}.")
        assert set(lived.mended.outboxes[UPLOAD]) == ALL_TOLD
        assert lived.mended.outboxes[UPLOAD][PAYMENTS] == lived.local_payments
        assert len(lived.local_payments.splitlines()) == 2
        assert lived.attempts == [("timed_out",), ("delivered",)]


class TestRotatedKeys:
    """R20: a key is changed between two dates, or between two runs of one."""

    def test_a_host_key_that_nobody_announced_is_not_taken_until_somebody_trusts_it(
        self, lived: Lived
    ) -> None:
        assert f"{HOST_KEY} inbox not read (host_key_changed)" in lived.harmed.said
        assert lived.harmed.outboxes[HOST_KEY] == lived.monday.outboxes[HOST_KEY]
        assert lived.mended.applied[HOST_KEY] == 1
        assert set(lived.mended.outboxes[HOST_KEY]) == ALL_TOLD

    def test_a_key_of_ours_that_is_refused_is_told_until_the_new_one_is_named(
        self, lived: Lived
    ) -> None:
        assert f"{OUR_KEY} inbox not read (login_refused)" in lived.harmed.said
        assert lived.harmed.outboxes[OUR_KEY] == lived.monday.outboxes[OUR_KEY]
        assert lived.mended.applied[OUR_KEY] == 1
        assert set(lived.mended.outboxes[OUR_KEY]) == ALL_TOLD


class TestWrongClocks:
    """R13: the clock of a server is years ahead, that of another years behind."""

    @pytest.mark.parametrize("organization_id", [AHEAD, BEHIND])
    def test_files_and_their_corrections_are_taken_once_each(
        self, lived: Lived, organization_id: str
    ) -> None:
        seen = (lived.monday, lived.harmed, lived.mended, lived.at_last)
        assert [each.applied.get(organization_id, 0) for each in seen] == [0, 1, 2, 2]
        assert lived.at_last.exit_status == 0, lived.at_last.said
        assert lived.mended.debts[organization_id] != lived.harmed.debts[organization_id]
        assert lived.at_last.debts == lived.mended.debts


class TestAnalysts:
    """R28, R29: somebody reads what a run is about to write."""

    def test_a_run_waits_for_who_has_the_warehouse_open(self, lived: Lived) -> None:
        assert lived.watched.said == (
            f"{lived.watched.warehouse} is held by process {lived.watched.holder};"
            " waiting for at most 300 seconds\n"
        )
        assert lived.mended.exit_status == 0
        assert set(lived.mended.applied) == set(IDS)

    def test_who_has_the_published_copy_open_keeps_it_and_holds_up_nobody(
        self, lived: Lived
    ) -> None:
        assert lived.mended.exit_status == 0
        before, meanwhile, after = lived.watched.counts
        assert meanwhile == before
        assert after == before + len(UNREAD)  # each of them has a new debt
