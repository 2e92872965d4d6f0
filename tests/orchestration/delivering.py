"""Carries out delivery steps, and kills the process of a step at a named point.

Not a test: test_killed_deliveries.py starts it and writes orders to its standard input, one a line.
Each step is a process of its own, forked from this one, which answers with its exit status.
"""

from __future__ import annotations

import base64
import os
import pickle
import subprocess
import sys
from dataclasses import dataclass

from orchestration.contracts.organizations import Organization
from orchestration.delivery import ledger, outbox
from orchestration.installation import databases, warehouse
from orchestration.installation.home import Home
from tests.orchestration.dying import arm_at
from tests.orchestration.publications import compiled_views, publish

# For each point of the step: the function, whether death comes before or after it did its work (or
# when a path holds a word), and at which of its calls.
POINTS: dict[str, tuple[str, str, int]] = {
    "before the local file has its name": ("pathlib:Path.replace", "outbox", 1),
    "before it connects": ("orchestration.delivery.outbox:connect", "before", 1),
    "before the temporary name is there": ("paramiko:SFTPClient.open", "before", 1),
    "before the intent is noted": ("orchestration.delivery.ledger:Batch.note_intent", "before", 1),
    "before the intent is on the disk": ("orchestration.delivery.ledger:Batch.sync", "before", 1),
    "before the first byte": ("orchestration.delivery.ledger:Batch.note_intent", "after", 1),
    "before the temporary name is closed": ("paramiko:SFTPFile.write", "after", 1),
    "before it is read back": ("orchestration.servers.sftp:Client._publish", "before", 1),
    "before the rename": ("paramiko:SFTPClient.rename", "before", 1),
    "after the rename": ("paramiko:SFTPClient.rename", "after", 1),
    "before the outcome is noted": (
        "orchestration.delivery.ledger:Batch.note_outcomes",
        "before",
        1,
    ),
    "after the outcome is noted": ("orchestration.delivery.ledger:Batch.note_outcomes", "after", 1),
    "before the ledger is in the warehouse": (
        "orchestration.installation.warehouse:insert",
        "before",
        1,
    ),
    "after the ledger is in the warehouse": ("orchestration.delivery.ledger:restore", "after", 2),
}


@dataclass(frozen=True)
class Order:
    """A delivery step: where, for whom, and the point at which it is killed, if any."""

    home: Home
    organization: Organization
    environment: dict[str, str]
    point: str = ""

    def to_line(self) -> str:
        """The order as it is written to this process."""
        return base64.b64encode(pickle.dumps(self)).decode() + "\n"


def carry_out(order: Order, runner: subprocess.Popen[str]) -> int:
    """The exit status of a step that a process of this module carries out."""
    assert runner.stdin is not None
    assert runner.stdout is not None
    runner.stdin.write(order.to_line())
    runner.stdin.flush()
    return int(runner.stdout.readline())


def _step(order: Order) -> None:
    with warehouse.connect(order.home) as connection:
        if not databases.count_rows(connection).keys() & {("intermediate", "outgoing_files")}:
            publish(connection)
            connection.execute(
                "delete from intermediate.outgoing_files where organization_id <> ?",
                [order.organization.organization_id],
            )
    if order.point:
        arm_at(*POINTS[order.point])
    outbox.deliver_due(order.home, [order.organization], order.environment)
    with warehouse.connect(order.home) as connection:
        ledger.restore(connection, order.home)


def main() -> None:
    """Answer each order with the exit status of its step."""
    compiled_views()  # once, before the steps fork
    for line in sys.stdin:
        order: Order = pickle.loads(base64.b64decode(line))
        process = os.fork()
        if process == 0:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            status = 1
            try:
                _step(order)
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(process, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
