"""Faults of networks, keys, clocks and people, lived through by a whole installation.

Each test has a copy of the sample installation on the morning after its first date, in which Lumina
has a server of its own; it does the harm there, runs the next date, and says what is told, what the
other organizations have of it, and what is the same as ever once the harm is over (R13, R20, R24,
R28, R29). docs/reliability.md lists these and all other faults.
"""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import paramiko
import pytest

from orchestration.devtools.demo import installation
from orchestration.devtools.demo.samples import DAYS, files_of
from orchestration.devtools.loopback_sftp import HOST, LoopbackServer, serve
from orchestration.installation import warehouse
from orchestration.installation.home import PROJECT
from tests.orchestration.installations import Installed, Rows, install
from tests.orchestration.networks import Network, network

MONDAY, TUESDAY = (day.isoformat() for day in DAYS[:2])
IDS = ("andes_seguros", "colegio_pehuen", "lumina")
# So that a server which does not answer is left soon.
SOON = {"SALDO_LOOK_SECONDS": "6"}


@dataclass(frozen=True)
class Site(Installed):
    """The installation on the morning after its first date.

    Args:
        own: Lumina's server, behind the network; the others have another one.
        state: where the keys of Lumina's server are.
        network: what is between Saldo and Lumina's server.
        own_stack: ends Lumina's server.

    """

    own: LoopbackServer
    state: Path
    network: Network
    own_stack: ExitStack

    def run(self, **variables: str) -> subprocess.CompletedProcess[str]:
        """The second date."""
        return self.command("run", "--date", TUESDAY, **variables)

    def leave(self, *organization_ids: str, more: bytes = b"") -> dict[str, Path]:
        """Leave the debts files of the second date; more bytes may be at their ends."""
        left = {}
        for file in files_of(DAYS[1]):
            if file.organization_id in organization_ids:
                path = self.server_root / file.organization_id / "inbox" / file.name
                path.write_bytes(file.content + more)
                left[file.organization_id] = path
        return left

    def outbox(self, organization_id: str = "lumina") -> dict[str, bytes]:
        """What an organization finds, temporary names too."""
        paths = (self.server_root / organization_id / "outbox").iterdir()
        return {path.name: path.read_bytes() for path in paths}

    def applied(self) -> Rows:
        """The organizations of which a debts file of the second date was applied, and how often."""
        return self.query(
            "select organization_id, count(*) from intake_files"
            f" where business_date = '{TUESDAY}' and status = 'applied' group by all order by all"
        )

    def debts_of_lumina(self) -> Rows:
        """Lumina's debts."""
        return self.query("from debts where organization_id = 'lumina' order by debt_id")

    def start_again(self) -> None:
        """Start Lumina's server again, with the keys that it has by now."""
        self.own_stack.close()
        self.own_stack.enter_context(serve(self.server_root, self.state, self.own.port))

    def trust(self, *keys: str) -> None:
        """Write down which keys are good for Lumina's server, beside those of the other one."""
        known = Path(self.environment["SFTP_KNOWN_HOSTS_FILE"])
        name = f"[{HOST}]:{self.network.port} "
        others = [line for line in known.read_text().splitlines() if not line.startswith(name)]
        known.write_text("".join(f"{line}\n" for line in [*others, *(name + key for key in keys)]))

    def key_of_own(self) -> str:
        """The key that Lumina's server shows."""
        return (self.state / "known_hosts").read_text().strip().partition(" ")[2]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with morning(tmp_path / "site") as site:
        yield site


@contextmanager
def morning(root: Path) -> Iterator[Site]:
    """The installation in an empty folder, with Lumina's server at work until the block ends."""
    with install(root, Installed, days=1) as installed, ExitStack() as own_stack:
        own = own_stack.enter_context(serve(root / "server", root / "own_state"))
        with network(own.port) as between:
            _lead_lumina_to(installed.home.seeds / "organizations.csv", between.port)
            known = root / "known_hosts"
            known.write_text(Path(installed.environment["SFTP_KNOWN_HOSTS_FILE"]).read_text())
            environment = {
                **installed.environment,
                "SFTP_PRIVATE_KEY_FILE_LUMINA": str(own.private_key_file),
                "SFTP_KNOWN_HOSTS_FILE": str(known),
            }
            made = Site(
                installed.home,
                installed.server_root,
                environment,
                own,
                root / "own_state",
                between,
                own_stack,
            )
            made.trust(made.key_of_own())
            yield made


def _lead_lumina_to(contracts: Path, port: int) -> None:
    with contracts.open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    for row in rows:
        if row["organization_id"] == "lumina":
            row["sftp_port"] = str(port)
    with contracts.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


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


class TestPartedNetwork:
    """R13, R20, R24: bytes stop coming, and nobody says so."""

    def test_in_the_middle_of_a_download_nothing_of_the_file_counts(self, site: Site) -> None:
        debts, landed = site.debts_of_lumina(), set((site.home.landing / "lumina").iterdir())
        site.leave("lumina", "andes_seguros", more=b"\n" * 2_000_000)
        site.network.part_once(lambda: site.network.bytes_from_server > 1_000_000)
        ran = site.run(**SOON)
        assert site.network.is_parted
        assert ran.returncode == 1, ran.stdout + ran.stderr
        assert "lumina inbox not read (timed_out)" in ran.stdout
        assert site.applied() == [("andes_seguros", 1)]
        assert f"{TUESDAY}_toku_payments.csv" in site.outbox("andes_seguros")
        assert site.debts_of_lumina() == debts
        assert set((site.home.landing / "lumina").iterdir()) == landed

        site.network.mend()
        ran = site.run()
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert site.applied() == [("andes_seguros", 1), ("lumina", 1)]
        assert set(site.outbox()) == ALL_TOLD

    def test_in_the_middle_of_an_upload_the_file_arrives_once_when_it_is_mended(
        self, site: Site
    ) -> None:
        installation.upload(site.home, site.server_root, DAYS[1])
        before = set(site.outbox())
        site.network.part_once(lambda: set(site.outbox()) != before)
        ran = site.run(**SOON)
        assert site.network.is_parted
        assert ran.returncode == 1, ran.stdout + ran.stderr
        (name,) = set(site.outbox()) - before
        assert name.startswith(f".{TUESDAY}_toku_payments.csv.")
        assert f"{TUESDAY}_toku_payments.csv" in site.outbox("andes_seguros")

        site.network.mend()
        site.run()
        assert set(site.outbox()) == ALL_TOLD
        payments = f"{TUESDAY}_toku_payments.csv"
        assert site.outbox()[payments] == (site.home.outbox / "lumina" / payments).read_bytes()
        with warehouse.reading(site.home) as connection:
            attempts = connection.execute(
                "select outcome from raw.deliveries where organization_id = 'lumina'"
                " and file_name = ? order by batch_id",
                [payments],
            ).fetchall()
        assert attempts == [("timed_out",), ("delivered",)]


class TestRotatedKeys:
    """R20: a key is changed between two dates, or between two runs of one."""

    def test_a_host_key_that_nobody_announced_is_not_taken_until_somebody_trusts_it(
        self, site: Site
    ) -> None:
        known = site.key_of_own()
        (site.state / "host_key").unlink()
        site.start_again()
        site.leave("lumina", "andes_seguros")
        ran = site.run()
        assert ran.returncode == 1, ran.stdout + ran.stderr
        assert "lumina inbox not read (host_key_changed)" in ran.stdout
        assert site.applied() == [("andes_seguros", 1)]

        site.trust(known, site.key_of_own())
        ran = site.run()
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert site.applied() == [("andes_seguros", 1), ("lumina", 1)]
        assert set(site.outbox()) == ALL_TOLD

    def test_a_key_of_ours_that_is_refused_is_told_until_the_new_one_is_named(
        self, site: Site, tmp_path: Path
    ) -> None:
        key = paramiko.ECDSAKey.generate()
        key.write_private_key_file(str(tmp_path / "new_key"))
        (site.state / "authorized_keys").write_text(f"{key.get_name()} {key.get_base64()}\n")
        site.leave("lumina", "andes_seguros")
        ran = site.run()
        assert ran.returncode == 1, ran.stdout + ran.stderr
        assert "lumina inbox not read (login_refused)" in ran.stdout
        assert site.applied() == [("andes_seguros", 1)]

        ran = site.run(SFTP_PRIVATE_KEY_FILE_LUMINA=str(tmp_path / "new_key"))
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert site.applied() == [("andes_seguros", 1), ("lumina", 1)]
        assert set(site.outbox()) == ALL_TOLD


class TestWrongClocks:
    """R13: the clock of a server is years ahead, that of another years behind."""

    def test_files_and_their_corrections_are_taken_once_each(self, site: Site) -> None:
        ahead, behind = timedelta(days=400), timedelta(days=-9000)
        defaults = site.home.seeds / "organization_defaults.csv"
        text = defaults.read_text("utf-8")
        assert text.endswith(",0\n")  # the quiet time, the last column
        defaults.write_text(f"{text[:-2]}2\n", "utf-8")
        left = site.leave("lumina", "andes_seguros")
        _date(left["lumina"], ahead)
        _date(left["andes_seguros"], behind)
        assert site.run().returncode == 0
        assert site.applied() == [("andes_seguros", 1), ("lumina", 1)]

        # One clock has been put back a day, the other goes on; nothing else tells the files apart.
        for path in left.values():
            content = path.read_bytes()
            path.write_bytes(
                content.replace(b"Pe\xf1alol", b"Pe\xf1alul").replace(b"Maip", b"Maib")
            )
            assert len(path.read_bytes()) == len(content)
        _date(left["lumina"], ahead - timedelta(days=1))
        _date(left["andes_seguros"], behind + timedelta(hours=1))
        assert site.run().returncode == 0
        assert site.applied() == [("andes_seguros", 2), ("lumina", 2)]
        debts = site.debts_of_lumina()

        assert site.run().returncode == 0
        assert site.applied() == [("andes_seguros", 2), ("lumina", 2)]
        assert site.debts_of_lumina() == debts


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


@dataclass(frozen=True)
class Watched:
    """The second date, run while one analyst has the warehouse open and one the published copy.

    Args:
        holder: the process of the first, which leaves when the run has said something.
        warehouse: what that one has open.
        said: what the run said first.
        exit_status: of the run.
        applied: whose files were applied.
        counts: of debts, as the second analyst found them before and after the run, and as one
            finds them who opens the copy then.

    """

    holder: int
    warehouse: Path
    said: str
    exit_status: int
    applied: Rows
    counts: tuple[int, int, int]


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Watched:
    with morning(tmp_path_factory.mktemp("watched") / "site") as site:
        site.leave("lumina", "andes_seguros")
        of_the_copy = Analyst.opening(site.home.analytics)
        try:
            before = of_the_copy.count()
            of_the_warehouse = Analyst.opening(site.home.warehouse)
            with subprocess.Popen(
                [sys.executable, "-m", "orchestration", "run", "--date", TUESDAY],
                cwd=PROJECT,
                env={**os.environ, **site.environment},
                stdout=subprocess.PIPE,
                text=True,
            ) as run:
                assert run.stdout is not None
                said = run.stdout.readline()
                of_the_warehouse.leave()
                run.stdout.read()
            meanwhile = of_the_copy.count()
        finally:
            of_the_copy.leave()
        ((after,),) = site.query("select count(*) from debts")
        return Watched(
            of_the_warehouse.process.pid,
            site.home.warehouse,
            said,
            run.returncode,
            site.applied(),
            (before, meanwhile, int(str(after))),
        )


class TestAnalysts:
    """R28, R29: somebody reads what a run is about to write."""

    def test_a_run_waits_for_who_has_the_warehouse_open(self, watched: Watched) -> None:
        assert watched.said == (
            f"{watched.warehouse} is held by process {watched.holder};"
            " waiting for at most 300 seconds\n"
        )
        assert watched.exit_status == 0
        assert watched.applied == [("andes_seguros", 1), ("lumina", 1)]

    def test_who_has_the_published_copy_open_keeps_it_and_holds_up_nobody(
        self, watched: Watched
    ) -> None:
        assert watched.exit_status == 0
        before, meanwhile, after = watched.counts
        assert meanwhile == before
        assert after == before + 11  # six of Lumina and five of Andes Seguros are new
