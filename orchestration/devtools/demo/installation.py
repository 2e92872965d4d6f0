"""A sample installation: a home with the project's contracts, and one loopback server for all
organizations.
"""

from __future__ import annotations

import csv
import shutil
from datetime import date
from pathlib import Path

from orchestration.devtools.demo.samples import events_of, files_of
from orchestration.devtools.loopback_sftp import LoopbackServer
from orchestration.installation.home import PROJECT, Home


def take_at_once(seeds: Path) -> None:
    """Set `quiet_seconds` to 0, so that files are taken immediately: nobody is uploading them."""
    path = seeds / "organization_defaults.csv"
    with path.open(encoding="utf-8", newline="") as source:
        (defaults,) = csv.DictReader(source)
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(defaults), lineterminator="\n")
        writer.writeheader()
        writer.writerow({**defaults, "quiet_seconds": "0"})


def make(root: Path, server: LoopbackServer) -> tuple[Home, dict[str, str]]:
    """Create the home, its contracts and the folders on the server.

    Returns:
        The home, and the variables that point to it and give access to the server.

    """
    seeds = root / "seeds"
    seeds.mkdir(parents=True)
    for seed in (PROJECT / "seeds").iterdir():
        shutil.copyfile(seed, seeds / seed.name)  # without their modes
    take_at_once(seeds)
    path = seeds / "organizations.csv"
    with path.open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    for row in rows:
        row["sftp_port"], row["sftp_username"] = str(server.port), server.username
        for folder in (row["inbox_dir"], row["outbox_dir"]):
            (server.root / folder).mkdir(parents=True)
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    home = Home(root, seeds)
    home.create()
    secrets = server.environment([row["organization_id"] for row in rows])
    return home, {**home.environment(), **secrets}


def upload(home: Home, server_root: Path, day: date) -> None:
    """Write the files and events of a business date where Saldo looks for them."""
    for file in files_of(day):
        (server_root / file.organization_id / "inbox" / file.name).write_bytes(file.content)
    (home.events / f"{day}.jsonl").write_text(events_of(day), encoding="utf-8")
