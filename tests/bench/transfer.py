"""Saldo's own SFTP client alone: `python -m tests.bench.transfer SEEDS NAME TARGET`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from orchestration.contracts.organizations import read_organizations
from orchestration.servers.connections import connect

if __name__ == "__main__":
    seeds, name, target = sys.argv[1:]
    organization = read_organizations(Path(seeds))[0]
    with connect(organization, os.environ) as client, Path(target).open("wb") as part:
        file = next(each for each in client.list_files(organization.inbox_dir) if each.name == name)
        client.download(organization.inbox_dir, file, part)
