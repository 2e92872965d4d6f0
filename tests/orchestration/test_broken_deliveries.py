"""What ends a delivery in its middle: each file has an outcome, none is sent twice (R20, R24)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from datetime import date
from functools import partial
from typing import Any

import pytest

from orchestration.contracts.organizations import Organization
from orchestration.delivery import ledger, outbox
from orchestration.delivery.outbox import Delivery, deliver
from orchestration.delivery.outgoing import OutgoingFile
from orchestration.devtools.loopback_sftp import LoopbackServer
from orchestration.installation.home import Home
from orchestration.installation.tracing import WHERE
from orchestration.servers import connections, sftp
from orchestration.servers.errors import WHAT_TO_DO
from tests.orchestration.freezing import frozen

SECRET = "19153032-2"


def _answer(day: int, organization_id: str = "lumina") -> OutgoingFile:
    name = f"2026-03-{day:02d}_toku_invoices.csv.result.csv"
    return OutgoingFile(organization_id, date(2026, 3, day), "intake_result", name, day, b"linea\n")


FILES = [_answer(1), _answer(2), _answer(3)]


@pytest.fixture
def lumina(make_organization) -> Organization:
    organization: Organization = make_organization()
    return organization


@pytest.fixture
def environment(sftp_server: LoopbackServer) -> dict[str, str]:
    return sftp_server.environment(["lumina", "andes_seguros"])


@pytest.fixture
def harm(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[ExitStack], None]], None]:
    """Have something happen once the upload of Lumina's second file has begun, until it ends."""

    def harm_by(act: Callable[[ExitStack], None]) -> None:
        upload = sftp.Client.upload

        def harmed(client: sftp.Client, folder: str, name: str, *rest: Any, **named: Any) -> str:
            with ExitStack() as stack:
                begin = named.pop("begin")

                def begin_and_act() -> None:
                    begin()
                    if name == FILES[1].file_name:
                        act(stack)

                return upload(client, folder, name, *rest, begin=begin_and_act, **named)

        monkeypatch.setattr(sftp.Client, "upload", harmed)

    return harm_by


def _note(each: Delivery) -> tuple[OutgoingFile, str, str | None, bool]:
    return each.file, each.outcome, each.detail, each.is_in_doubt


def _noted(home: Home) -> list[tuple[OutgoingFile, str, str | None, bool]]:
    attempts = [each for _, batch in ledger.read_attempts(home, 0) for each in batch]
    files = {file.key: file for file in FILES}
    return [
        (files[each.key], each.outcome, each.detail, each.is_in_doubt)
        for each in attempts
        if each.key in files
    ]


def test_a_server_that_freezes_is_not_asked_again_and_all_of_its_files_are_timed_out(
    home, lumina, environment, sftp_server, harm, monkeypatch
):
    folder = sftp_server.root / lumina.outbox_dir
    monkeypatch.setattr(outbox, "connect", partial(connections.connect, timeout_seconds=1))
    harm(lambda stack: stack.enter_context(frozen(sftp_server)))
    said = f"downloading a file: the server did not answer in time: {WHAT_TO_DO['timed_out']}"
    outcomes = deliver(home, FILES, [lumina], environment)
    assert outcomes == [
        Delivery(FILES[0], "delivered"),
        Delivery(FILES[1], "timed_out", said, is_in_doubt=True),
        Delivery(FILES[2], "timed_out", said),
    ]
    assert [each.may_heal for each in outcomes] == [False, True, True]
    assert _noted(home) == [_note(each) for each in outcomes]
    assert not (folder / FILES[2].file_name).exists()

    monkeypatch.undo()
    again = deliver(home, FILES[1:], [lumina], environment, {FILES[1].key})
    assert again == [Delivery(file, "delivered") for file in FILES[1:]]
    assert sorted(path.name for path in folder.iterdir()) == [file.file_name for file in FILES]


def test_what_nobody_foresaw_ends_the_delivery_to_one_organization_and_is_told_by_its_kind(
    home, lumina, environment, make_organization, harm, capsys
):
    """R30: what is said of it may hold anything, so it is not repeated.

    The log has where it happened.
    """

    def fail(_: ExitStack) -> None:
        raise LookupError(SECRET)

    harm(fail)
    theirs = [_answer(1, "andes_seguros"), _answer(4, "andes_seguros")]
    andes = make_organization("andes_seguros")
    outcomes = deliver(home, [*FILES, *theirs], [lumina, andes], environment)
    assert outcomes == [
        Delivery(FILES[0], "delivered"),
        Delivery(FILES[1], "failed", f"LookupError: {WHERE}", is_in_doubt=True),
        Delivery(FILES[2], "failed", f"LookupError: {WHERE}"),
        *(Delivery(file, "delivered") for file in theirs),
    ]
    assert [each.may_heal for each in outcomes[:3]] == [False, False, False]
    assert _noted(home) == [_note(each) for each in outcomes[:3]]
    log = capsys.readouterr().err
    assert log.startswith("Traceback (most recent call last):\n")
    assert log.endswith("    raise LookupError(SECRET)\nLookupError\n")
    assert SECRET not in log
