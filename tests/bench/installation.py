"""An installation of Saldo for the benchmark: a home, its organizations on a loopback server."""

from __future__ import annotations

import csv
import shutil
from dataclasses import dataclass
from pathlib import Path

from orchestration.devtools.demo.installation import take_at_once
from orchestration.devtools.loopback_sftp import HOST, LoopbackServer
from orchestration.installation.home import PROJECT, Home


@dataclass(frozen=True)
class Installation:
    """A home and the variables that lead to it and open its servers."""

    home: Home
    environment: dict[str, str]
    server: LoopbackServer
    organization_ids: list[str]

    def inbox(self, organization_id: str) -> Path:
        """Where an organization leaves its files."""
        return self.server.root / organization_id / "inbox"


def make(root: Path, server: LoopbackServer, organization_ids: list[str]) -> Installation:
    """Make a home anew with organizations in replace mode."""
    seeds = root / "seeds"
    shutil.copytree(PROJECT / "seeds", seeds)
    take_at_once(seeds)
    path = seeds / "organizations.csv"
    with path.open(encoding="utf-8", newline="") as source:
        columns = list(csv.DictReader(source).fieldnames or [])
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, columns, restval="", lineterminator="\n")
        writer.writeheader()
        for organization_id in organization_ids:
            # What another case was told is not this one's.
            shutil.rmtree(server.root / organization_id / "outbox", ignore_errors=True)
            for folder in ("inbox", "outbox"):
                (server.root / organization_id / folder).mkdir(parents=True, exist_ok=True)
            writer.writerow(
                {
                    "organization_id": organization_id,
                    "name": organization_id,
                    "country": "CL",
                    "customer_id_scheme": "rut",
                    "update_mode": "replace",
                    "payment_flow": "in_process",
                    "currency": "CLP",
                    "sftp_host": HOST,
                    "sftp_port": str(server.port),
                    "sftp_username": server.username,
                    "inbox_dir": f"{organization_id}/inbox",
                    "outbox_dir": f"{organization_id}/outbox",
                    "max_withdrawal_share": "1",
                }
            )
    _leave_common_aliases(seeds / "column_aliases.csv")
    home = Home(root, seeds)
    home.create()
    environment = {**home.environment(), **server.environment(organization_ids)}
    return Installation(home, environment, server, organization_ids)


def _leave_common_aliases(path: Path) -> None:
    """Drop the header names that an organization of the project's own seeds has for itself."""
    header, *lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line.startswith(",")]
    path.write_text("\n".join([header, *kept, ""]), encoding="utf-8")
