"""Connections that organizations of one login use one after the other (R20, R29)."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from orchestration.contracts.organizations import Organization, read_organizations
from orchestration.delivery import outbox
from orchestration.delivery.outgoing import OutgoingFile
from orchestration.installation import warehouse
from orchestration.installation.home import PROJECT, Home
from orchestration.intake import taking
from orchestration.landing import store
from orchestration.servers.connections import Kept, connect
from orchestration.servers.errors import SftpError
from tests.orchestration.bent_sftp import USERNAME, Bends, BentServer, serve_bent

LUMINA = read_organizations(PROJECT / "seeds")[0]
NAMES = ("agua", "gas", "luz")
DAY = date(2026, 3, 2)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[BentServer]:
    for name in NAMES:
        for folder in ("inbox", "outbox"):
            (tmp_path / "root" / name / folder).mkdir(parents=True)
    with serve_bent(tmp_path / "root", tmp_path / "state", Bends()) as server:
        yield server


@pytest.fixture
def organizations(server: BentServer) -> list[Organization]:
    """Three organizations that have one login."""
    return [
        dataclasses.replace(
            LUMINA,
            organization_id=name,
            sftp_host="127.0.0.1",
            sftp_port=server.port,
            sftp_username=USERNAME,
            inbox_dir=f"{name}/inbox",
            outbox_dir=f"{name}/outbox",
        )
        for name in NAMES
    ]


def _look(kept: Kept, organization: Organization, environment: dict[str, str]) -> None:
    with connect(organization, environment, kept=kept) as client:
        client.look(organization.inbox_dir)


def test_organizations_of_one_login_follow_one_another_on_one_connection(
    server: BentServer, organizations: list[Organization]
) -> None:
    with Kept() as kept:
        for each in organizations:
            _look(kept, each, server.environment(*NAMES))
    assert server.connections == 1


def test_two_that_connect_at_once_have_a_connection_each(
    server: BentServer, organizations: list[Organization]
) -> None:
    agua, gas, luz = organizations
    environment = server.environment(*NAMES)
    with Kept() as kept:
        with connect(agua, environment, kept=kept) as client:
            _look(kept, gas, environment)
            client.look(agua.inbox_dir)
        _look(kept, luz, environment)
    assert server.connections == 2


@pytest.mark.parametrize(
    "other",
    [
        {"SFTP_PASSWORD_GAS": "clave-inventada"},
        {"SFTP_KNOWN_HOSTS_FILE": "of_another_machine"},
    ],
)
def test_another_login_has_another_connection(
    server: BentServer, organizations: list[Organization], tmp_path: Path, other: dict[str, str]
) -> None:
    agua, gas, _ = organizations
    environment = server.environment(*NAMES)
    copy = tmp_path / "of_another_machine"
    copy.write_text(server.known_hosts_file.read_text())
    told = {name: str(copy) if value == copy.name else value for name, value in other.items()}
    with Kept() as kept:
        _look(kept, agua, environment)
        _look(kept, gas, {**environment, **told})
    assert server.connections == 2


def test_another_user_has_another_connection(
    server: BentServer, organizations: list[Organization]
) -> None:
    agua, gas, _ = organizations
    environment = server.environment(*NAMES)
    with Kept() as kept:
        _look(kept, agua, environment)
        _look(kept, dataclasses.replace(gas, sftp_username="somebody"), environment)
    assert server.connections == 2


def test_a_connection_that_broke_while_nobody_used_it_is_replaced(
    server: BentServer, organizations: list[Organization]
) -> None:
    agua, gas, _ = organizations
    environment = server.environment(*NAMES)
    with Kept() as kept:
        with connect(agua, environment, kept=kept) as client:
            transport = client._sftp.get_channel().get_transport()
        transport.close()
        _look(kept, gas, environment)
    assert server.connections == 2


def test_a_connection_whose_block_failed_is_closed(
    server: BentServer, organizations: list[Organization]
) -> None:
    agua, gas, _ = organizations
    environment = server.environment(*NAMES)
    with Kept() as kept:
        with (
            pytest.raises(SftpError),
            connect(agua, environment, kept=kept) as client,
        ):
            client.look("no/such/folder")
        assert not client.is_connected
        _look(kept, gas, environment)
    assert server.connections == 2


def test_all_are_closed_at_the_end(server: BentServer, organizations: list[Organization]) -> None:
    with Kept() as kept:
        with connect(organizations[0], server.environment(*NAMES), kept=kept) as client:
            pass
        assert client.is_connected
    assert not client.is_connected


def test_each_organization_has_its_own_time(
    server: BentServer, organizations: list[Organization]
) -> None:
    agua, gas, luz = organizations
    environment = {**server.environment(*NAMES), "SALDO_LOOK_SECONDS": "1"}
    with Kept() as kept:
        _look(kept, agua, environment)
        time.sleep(1.5)
        with connect(gas, environment, kept=kept) as client:
            client.look(gas.inbox_dir)
            time.sleep(1.5)
            with pytest.raises(SftpError) as raised:
                client.look(gas.inbox_dir)
        assert raised.value.code == "connection_lost"
        assert not client.is_connected
        _look(kept, luz, environment)
    assert server.connections == 2


def test_a_load_logs_in_once_for_organizations_that_follow_one_another(
    server: BentServer,
    organizations: list[Organization],
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(taking, "INBOXES_AT_ONCE", 1)
    contracts = store.keep_contracts(home)
    with warehouse.connect(home) as connection:
        manifest = taking.take(
            connection, home, contracts, organizations, DAY, server.environment(*NAMES)
        )
    assert {each.outcome for each in manifest.looks} == {"looked"}
    assert server.connections == 1


def test_a_delivery_logs_in_once_for_organizations_that_follow_one_another(
    server: BentServer,
    organizations: list[Organization],
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox, "OUTBOXES_AT_ONCE", 1)
    files = [
        OutgoingFile(name, DAY, "intake_result", "a.result.csv", 1, b"linea\n") for name in NAMES
    ]
    deliveries = outbox.deliver(home, files, organizations, server.environment(*NAMES))
    assert [each.outcome for each in deliveries] == ["delivered"] * 3
    assert server.connections == 1
