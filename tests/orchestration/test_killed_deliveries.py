"""A delivery step may be killed at each of its lines: no file is sent twice, none is lost without a
word (R24, R29).

Real processes and a real server. What matters is what the receiver does in between: it leaves its
outbox as it is, it takes the files that have their names, or it takes whatever is there.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from orchestration.delivery import ledger
from orchestration.delivery.outgoing import read_undelivered
from orchestration.installation import warehouse
from orchestration.installation.home import PROJECT
from tests.orchestration.delivering import POINTS, Order, carry_out
from tests.orchestration.publications import CONTENT

PAYMENTS, MANIFEST = "2026-03-03_toku_payments.csv", "2026-03-03_toku_payments.json"
ANSWER = "2026-03-03_toku_invoices.csv.result.csv"
# Where the step had told the server of the file, and not itself what came of it.
IN_DOUBT = (
    "before the intent is on the disk",
    "before the first byte",
    "before the temporary name is closed",
    "before it is read back",
    "before the rename",
    "after the rename",
    "before the outcome is noted",
)
# Where the file had its name by then, so that a receiver who takes those may have it.
NAMED = ("after the rename", "before the outcome is noted")


@dataclass
class Receiver:
    """An organization that reads its outbox: which names it takes, and what it has got so far."""

    outbox: Path
    takes: str
    got: list[tuple[str, bytes]] = field(default_factory=list)

    def come(self) -> None:
        """Take what it takes of what is there."""
        for path in sorted(self.outbox.iterdir()):
            if self.takes == "all" or (self.takes == "named" and not path.name.startswith(".")):
                self.got.append((path.name, path.read_bytes()))
                path.unlink()

    def has(self) -> dict[str, list[bytes]]:
        """What it got or finds, by the name that the file was to have, but empty files."""
        there = [(path.name, path.read_bytes()) for path in sorted(self.outbox.iterdir())]
        found: dict[str, list[bytes]] = {}
        for name, content in self.got + there:
            if content:
                meant = name.lstrip(".").rsplit(".", 2)[0] if name.startswith(".") else name
                found.setdefault(meant, []).append(content)
        return found


@pytest.fixture(scope="module")
def runner() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.orchestration.delivering"],
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


@pytest.fixture
def order(home, make_organization, sftp_server) -> Order:
    return Order(home, make_organization(), sftp_server.environment(["lumina"]))


def _outcomes(order: Order) -> dict[str, str]:
    """What came of each file of the organization, in the end."""
    with warehouse.reading(order.home) as connection:
        rows = connection.execute("select file_name, outcome from deliveries").fetchall()
    return dict(rows)


def _at(order: Order, point: str) -> Order:
    return Order(order.home, order.organization, order.environment, point)


@pytest.mark.parametrize("takes", ["nothing", "named", "all"])
@pytest.mark.parametrize("point", POINTS)
def test_a_file_whose_step_was_killed_comes_once_or_is_left_to_people(
    runner, order, sftp_server, point, takes
):
    receiver = Receiver(sftp_server.root / order.organization.outbox_dir, takes)
    assert carry_out(_at(order, point), runner) == -signal.SIGKILL
    receiver.come()
    assert carry_out(order, runner) == 0
    receiver.come()
    is_taken = {"nothing": (), "named": NAMED, "all": IN_DOUBT}[takes]
    outcome = "unconfirmed" if point in is_taken else "delivered"
    assert _outcomes(order) == {PAYMENTS: outcome, MANIFEST: outcome, ANSWER: "delivered"}
    has = receiver.has()
    payments = has.pop(PAYMENTS, [])
    if point in is_taken and point not in NAMED:
        # It took the temporary name, with all, some or none of its bytes.
        assert payments in ([], [CONTENT])
    else:
        assert payments == [CONTENT]
    manifests = has.pop(MANIFEST, [])
    assert len(manifests) == (outcome == "delivered")
    assert has == {ANSWER: [b"linea\n"]}
    with warehouse.connect(order.home) as connection:
        assert read_undelivered(connection) == []
        noted = connection.execute("from raw.deliveries order by all").fetchall()
        connection.execute("delete from raw.deliveries")
        ledger.restore(connection, order.home)
        assert connection.execute("from raw.deliveries order by all").fetchall() == noted
