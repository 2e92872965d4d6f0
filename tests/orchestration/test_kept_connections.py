"""Connections that organizations of one login use one after the other (R20, R29)."""

from __future__ import annotations

import dataclasses
import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import paramiko
import pytest

from orchestration.contracts.organizations import Organization, read_organizations
from orchestration.delivery import outbox
from orchestration.delivery.outgoing import OutgoingFile
from orchestration.installation import warehouse
from orchestration.installation.home import PROJECT, Home
from orchestration.intake import inbox, taking
from orchestration.intake.inbox import Looked
from orchestration.landing import store
from orchestration.servers import remote_reading, ssh
from orchestration.servers.connections import Kept, connect
from orchestration.servers.errors import SftpError
from orchestration.servers.sftp import Client
from tests.orchestration import bent_sftp
from tests.orchestration.bent_sftp import USERNAME, Bends, BentServer, serve_bent

LUMINA = read_organizations(PROJECT / "seeds")[0]
NAMES = ("agua", "gas", "luz")
MANY = [f"o{number:02}" for number in range(20)]
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
    return [_organization(server, name, name) for name in NAMES]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many connections were open each time when one had been made."""
    now: set[paramiko.Transport] = set()
    counts: list[int] = []
    connect_once = ssh.connect

    @contextmanager
    def counted(*arguments: Any, **named: Any) -> Iterator[paramiko.Transport]:
        with connect_once(*arguments, **named) as transport:
            now.add(transport)
            counts.append(len(now))
            try:
                yield transport
            finally:
                now.discard(transport)

    monkeypatch.setattr(ssh, "connect", counted)
    return counts


def _organization(
    server: BentServer, name: str, folder: str, username: str = USERNAME
) -> Organization:
    return dataclasses.replace(
        LUMINA,
        organization_id=name,
        sftp_host="127.0.0.1",
        sftp_port=server.port,
        sftp_username=username,
        inbox_dir=f"{folder}/inbox",
        outbox_dir=f"{folder}/outbox",
    )


def _take(home: Home, organizations: list[Organization], environment: dict[str, str]) -> set[str]:
    """Take a load; return what came of the looks."""
    contracts = store.keep_contracts(home)
    with warehouse.connect(home) as connection:
        manifest = taking.take(connection, home, contracts, organizations, DAY, environment)
    return {each.outcome for each in manifest.looks}


def _deliver(
    home: Home, organizations: list[Organization], environment: dict[str, str]
) -> list[str]:
    """Deliver a file to each; return what came of it."""
    files = [
        OutgoingFile(
            each.organization_id, DAY, "intake_result", f"{number}.csv", 1, f"{number}".encode()
        )
        for number, each in enumerate(organizations)
    ]
    return [each.outcome for each in outbox.deliver(home, files, organizations, environment)]


def _look(kept: Kept, organization: Organization, environment: dict[str, str]) -> None:
    with connect(organization, environment, kept=kept) as client:
        client.look(organization.inbox_dir)


def test_organizations_of_one_login_follow_one_another_on_one_connection(
    server: BentServer, organizations: list[Organization]
) -> None:
    environment = server.environment(*NAMES)
    with Kept(organizations, environment) as kept:
        for each in organizations:
            _look(kept, each, environment)
    assert server.connections == 1


def test_two_that_connect_at_once_have_a_connection_each(
    server: BentServer, organizations: list[Organization]
) -> None:
    agua, gas, luz = organizations
    environment = server.environment(*NAMES)
    with Kept(organizations, environment) as kept:
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
    with Kept(organizations, environment) as kept:
        _look(kept, agua, environment)
        _look(kept, gas, {**environment, **told})
    assert server.connections == 2


def test_another_user_has_another_connection(
    server: BentServer, organizations: list[Organization]
) -> None:
    agua, gas, _ = organizations
    environment = server.environment(*NAMES)
    gas = dataclasses.replace(gas, sftp_username="somebody")
    with Kept([*organizations, gas], environment) as kept:
        _look(kept, agua, environment)
        _look(kept, gas, environment)
    assert server.connections == 2


def test_a_connection_that_broke_while_nobody_used_it_is_replaced(
    server: BentServer, organizations: list[Organization]
) -> None:
    agua, gas, _ = organizations
    environment = server.environment(*NAMES)
    with Kept(organizations, environment) as kept:
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
    with Kept(organizations, environment) as kept:
        with (
            pytest.raises(SftpError),
            connect(agua, environment, kept=kept) as client,
        ):
            client.look("no/such/folder")
        assert not client.is_connected
        _look(kept, gas, environment)
    assert server.connections == 2


def test_all_are_closed_at_the_end(server: BentServer, organizations: list[Organization]) -> None:
    environment = server.environment(*NAMES)
    with Kept(organizations, environment) as kept:
        with connect(organizations[0], environment, kept=kept) as client:
            pass
        assert client.is_connected
    assert not client.is_connected


def test_each_organization_has_its_own_time(
    server: BentServer, organizations: list[Organization]
) -> None:
    agua, gas, luz = organizations
    environment = {**server.environment(*NAMES), "SALDO_LOOK_SECONDS": "1"}
    with Kept(organizations, environment) as kept:
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
    assert _take(home, organizations, server.environment(*NAMES)) == {"looked"}
    assert server.connections == 1


def test_a_delivery_logs_in_once_for_organizations_that_follow_one_another(
    server: BentServer,
    organizations: list[Organization],
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outbox, "OUTBOXES_AT_ONCE", 1)
    delivered = _deliver(home, organizations, server.environment(*NAMES))
    assert delivered == ["delivered"] * 3
    assert server.connections == 1


def test_a_load_of_a_login_for_each_never_has_more_than_its_own_connections(
    server: BentServer, home: Home, monkeypatch: pytest.MonkeyPatch, opened: list[int]
) -> None:
    monkeypatch.setattr(taking, "INBOXES_AT_ONCE", 1)
    organizations = [_organization(server, name, "agua", name) for name in MANY]
    assert _take(home, organizations, server.environment(*MANY)) == {"looked"}
    assert opened == [1] * 20


def test_a_delivery_of_a_login_for_each_never_has_more_than_its_own_connections(
    server: BentServer, home: Home, monkeypatch: pytest.MonkeyPatch, opened: list[int]
) -> None:
    monkeypatch.setattr(outbox, "OUTBOXES_AT_ONCE", 1)
    organizations = [_organization(server, name, "agua", name) for name in MANY]
    assert _deliver(home, organizations, server.environment(*MANY)) == ["delivered"] * 20
    assert opened == [1] * 20


def test_no_more_than_sixteen_wait_for_others(server: BentServer, opened: list[int]) -> None:
    pairs = [(f"{name}{turn}", name) for turn in "ab" for name in MANY]
    organizations = [_organization(server, name, "agua", login) for name, login in pairs]
    environment = server.environment(*(name for name, _ in pairs))
    with Kept(organizations, environment) as kept:
        for each in organizations:
            _look(kept, each, environment)
    assert max(opened) == 17
    assert server.connections == 24


def test_no_more_wait_than_organizations_are_left(
    server: BentServer, organizations: list[Organization]
) -> None:
    agua, gas, luz = organizations
    environment = server.environment(*NAMES)
    with Kept(organizations, environment) as kept:
        with (
            connect(agua, environment, kept=kept) as first,
            connect(gas, environment, kept=kept) as second,
        ):
            pass
        assert second.is_connected
        assert not first.is_connected
        with connect(luz, environment, kept=kept) as last:
            assert last is second
        assert not last.is_connected


def test_a_connection_that_was_made_anew_serves_no_other(
    server: BentServer,
    organizations: list[Organization],
    opened: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agua, gas, _ = organizations
    environment = server.environment(*NAMES)
    (server.root / agua.inbox_dir / "a.csv").write_bytes(b"deuda")
    left = ["connection_lost"]
    receive = Client._receive_once

    def break_off_once(*arguments: Any) -> tuple[str, int]:
        if left:
            raise SftpError(left.pop(), "what is told")
        return receive(*arguments)

    monkeypatch.setattr(Client, "_receive_once", break_off_once)
    with Kept(organizations, environment) as kept:
        with connect(agua, environment, kept=kept) as client:
            (file,) = client.list_files(agua.inbox_dir)
            client.download(agua.inbox_dir, file, io.BytesIO())
        assert server.connections == 2
        assert not client.is_connected
        _look(kept, gas, environment)
    assert opened == [1, 2, 1]


def test_the_home_of_a_login_may_have_any_name(
    server: BentServer, organizations: list[Organization], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bent_sftp._Files, "canonicalize", lambda *_: "/casa/año".encode("latin-1"))
    environment = server.environment(*NAMES)
    with Kept(organizations, environment) as kept:
        for each in organizations:
            _look(kept, each, environment)
    assert server.connections == 1


def test_a_kept_connection_is_closed_if_asking_it_fails_as_nobody_foresaw(
    server: BentServer, organizations: list[Organization], monkeypatch: pytest.MonkeyPatch
) -> None:
    agua, gas, _ = organizations
    environment = server.environment(*NAMES)

    def fail(*_: object) -> None:
        raise LookupError

    with Kept(organizations, environment) as kept:
        with connect(agua, environment, kept=kept) as client:
            pass
        monkeypatch.setattr(remote_reading, "read_attributes", fail)
        with pytest.raises(LookupError), connect(gas, environment, kept=kept):
            pass
        assert not client.is_connected


def test_one_without_a_sign_of_life_is_enough_to_connect_anew(
    server: BentServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    organizations = [_organization(server, name, "agua") for name in MANY[:7]]
    environment = server.environment(*MANY)
    served = []
    serve = Client.serve

    def counted(client: Client, *arguments: Any) -> Any:
        served.append(client)
        return serve(client, *arguments)

    monkeypatch.setattr(Client, "serve", counted)
    with Kept(organizations, environment) as kept:
        with (
            connect(organizations[0], environment, kept=kept) as first,
            connect(organizations[1], environment, kept=kept) as second,
            connect(organizations[2], environment, kept=kept) as third,
        ):
            transports = [each._sftp.get_channel().get_transport() for each in (first, second)]
        for transport in transports:
            transport.close()
        _look(kept, organizations[3], environment)
        assert served == [first]
        assert not third.is_connected
    assert server.connections == 4


def test_all_are_closed_if_closing_one_fails(
    server: BentServer, organizations: list[Organization], monkeypatch: pytest.MonkeyPatch
) -> None:
    organizations = [*organizations, _organization(server, "mar", "agua")]
    environment = server.environment(*NAMES, "mar")

    def fail() -> None:
        raise LookupError

    kept = Kept(organizations, environment)
    with (
        connect(organizations[0], environment, kept=kept) as first,
        connect(organizations[1], environment, kept=kept) as second,
    ):
        pass
    for connections in kept._idle.values():
        for each in connections:
            each.stack.callback(fail)
    with pytest.raises(LookupError), kept:
        pass
    assert not first.is_connected
    assert not second.is_connected


def test_a_look_that_ends_after_a_load_has_failed_leaves_nothing_open(
    server: BentServer,
    organizations: list[Organization],
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    is_connected = threading.Event()
    clients = []

    def begin(_: Home, organization: Organization, *arguments: Any) -> Looked:
        if organization.organization_id == "agua":
            is_connected.wait()
            raise LookupError
        if organization.organization_id == "gas":
            environment, kept = arguments[2], arguments[-1]
            with connect(organization, environment, kept=kept) as client:
                clients.append(client)
                is_connected.set()
                time.sleep(0.5)
        return Looked(organization)

    monkeypatch.setattr(inbox, "begin", begin)
    monkeypatch.setattr(taking, "INBOXES_AT_ONCE", 2)
    with pytest.raises(LookupError):
        _take(home, organizations, server.environment(*NAMES))
    assert [each.is_connected for each in clients] == [False]
