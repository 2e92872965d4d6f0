"""Servers without an end beside an honest one: they are left, and it is served (R20)."""

from __future__ import annotations

import dataclasses
import os
import tracemalloc
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from bent_sftp import USERNAME, Bends, serve_bent

from orchestration.contracts.organizations import Organization, read_organizations
from orchestration.devtools.loopback_sftp import HOST
from orchestration.installation import warehouse
from orchestration.installation.home import PROJECT, Home
from orchestration.intake.loads import carry_next
from orchestration.intake.taking import take
from orchestration.landing import store
from orchestration.landing.manifests import Look
from tests.orchestration.houses import House

LUMINA = read_organizations(PROJECT / "seeds")[0]
TODAY = date(2026, 3, 3)
NAME = f"{TODAY}_toku_invoices.csv"
WRITTEN_AT = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()
# Each would keep a look for hours.
BENDS = {
    "announces": Bends(announced_names=4_000_000_000),
    "endless": Bends(is_endless=True),
    "name_by_name": Bends(seconds_a_name=0.5),
    "byte_by_byte": Bends(seconds_a_byte=0.5),
    "honest": Bends(),
}
LIMITS = {"SALDO_LOOK_SECONDS": "5", "SALDO_LISTING_LIMIT": "3000"}
MOST_MEMORY = 32 << 20


@pytest.fixture
def organizations(tmp_path: Path) -> Iterator[tuple[list[Organization], dict[str, str]]]:
    """An organization for each kind of server, and the variables with which these are reached."""
    with _serve_each(tmp_path, BENDS) as (ports, environment):
        made = [
            dataclasses.replace(
                LUMINA,
                organization_id=name,
                sftp_host=HOST,
                sftp_port=port,
                sftp_username=USERNAME,
                inbox_dir="inbox",
                outbox_dir="outbox",
            )
            for name, port in ports.items()
        ]
        yield made, {**environment, **LIMITS}


@contextmanager
def _serve_each(
    folder: Path, bends: Mapping[str, Bends]
) -> Iterator[tuple[dict[str, int], dict[str, str]]]:
    """Serve an inbox with one file for each organization; its port, and all their variables."""
    ports: dict[str, int] = {}
    environment: dict[str, str] = {}
    known_hosts: list[str] = []
    with ExitStack() as stack:
        for name, bent in bends.items():
            root = folder / name
            server = stack.enter_context(serve_bent(root, folder / f"{name}_state", bent))
            (root / "inbox").mkdir()
            (root / "inbox" / NAME).write_bytes(b"x" * 1000)
            os.utime(root / "inbox" / NAME, (WRITTEN_AT, WRITTEN_AT))
            known_hosts.append(server.known_hosts_file.read_text())
            environment |= server.environment(name)
            ports[name] = server.port
        path = folder / "known_hosts"
        path.write_text("".join(known_hosts))
        yield ports, {**environment, "SFTP_KNOWN_HOSTS_FILE": str(path)}


def test_each_is_told_for_itself_and_the_file_of_the_honest_one_is_taken(
    organizations: tuple[list[Organization], dict[str, str]], tmp_path: Path
) -> None:
    made, environment = organizations
    home = Home(tmp_path / "home", PROJECT / "seeds")
    home.create()
    tracemalloc.start()
    try:
        with warehouse.connect(home) as connection:
            manifest = take(
                connection,
                home,
                store.keep_contracts(home),
                made,
                TODAY,
                environment,
                lambda: datetime(2026, 3, 3, 12, tzinfo=UTC),
            )
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [(look.organization_id, look.outcome) for look in manifest.looks] == [
        ("announces", "server_failed"),
        ("endless", "listing_too_long"),
        ("name_by_name", "timed_out"),
        ("byte_by_byte", "timed_out"),
        ("honest", "looked"),
    ]
    assert manifest.looks[-1] == Look("honest", "looked", files_seen=1, files_taken=1)
    assert [(file.organization_id, file.file_name) for file in manifest.files] == [("honest", NAME)]
    assert most < MOST_MEMORY


def test_a_size_that_no_file_has_stops_no_load(tmp_path: Path) -> None:
    """A load whose manifest cannot be loaded would stop every organization from then on."""
    bends = {"boundless": Bends(extra_size=(1 << 64) - 1001), "honest": Bends()}
    with _serve_each(tmp_path, bends) as (ports, environment):
        house = House.make(
            tmp_path / "house",
            {
                name: {"sftp_port": str(port), "inbox_dir": "inbox", "outbox_dir": "outbox"}
                for name, port in ports.items()
            },
        )
        with warehouse.connect(house.home) as connection:
            carry_next(connection, house.home, TODAY, environment)
            files = connection.execute(
                "select organization_id, byte_count, listed_size from raw.intake_files order by all"
            ).fetchall()
    assert files == [("boundless", 1000, None), ("honest", 1000, None)]
