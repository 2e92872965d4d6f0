"""Deliver files to the organizations' outboxes (R19, R24).

A payments file and its manifest keep their bytes forever. The answer to an intake file is replaced
when a file of that name arrives again or an operator decides. The ledger has every attempt, from
before it begins. Every run retries the files without a success, unless the receiver may have the
file: then it is reported, and `republish` sends it again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from orchestration.contracts.organizations import Organization
from orchestration.delivery import ledger
from orchestration.delivery.ledger import Batch, LedgerError
from orchestration.delivery.outgoing import (
    DELIVERED,
    NO_CONTRACT,
    PAYMENTS_FILE,
    PAYMENTS_MANIFEST,
    FileKey,
    OutgoingFile,
    read_undelivered,
)
from orchestration.installation import warehouse, whole_files
from orchestration.installation.clock import Clock, utc_now
from orchestration.installation.home import Home
from orchestration.installation.tracing import trace
from orchestration.servers.connections import Kept, connect
from orchestration.servers.errors import SftpError
from orchestration.servers.sftp import Client
from orchestration.servers.ssh import MAY_HEAL

OUTBOXES_AT_ONCE = 16
# A manifest is not delivered before its payments file, nor without it.
_HAS_ARRIVED = (*DELIVERED, "taken_unread")
_DETAILS = {
    "file_not_delivered": "its payments file is not in the outbox: it is sent once that is",
    "taken_unread": (
        "the receiver took it before it could be read back;"
        " ask the organization whether it is whole, else republish"
    ),
    "unconfirmed": (
        "its upload had begun, and the outbox does not have it;"
        " ask the organization whether it came, else republish"
    ),
}


@dataclass(frozen=True)
class Delivery:
    """One attempt to deliver a file.

    Args:
        file: the file.
        outcome: a success or the code of a failure.
        detail: a description in words.
        is_in_doubt: whether the receiver may have the file, so that the next attempt must check
            first.

    """

    file: OutgoingFile
    outcome: str
    detail: str | None = None
    is_in_doubt: bool = False

    @property
    def is_delivered(self) -> bool:
        """Whether the organization's outbox has these bytes."""
        return self.outcome in DELIVERED

    @property
    def may_heal(self) -> bool:
        """Whether a retry may succeed."""
        return self.outcome in MAY_HEAL


def deliver_due(
    home: Home,
    organizations: Sequence[Organization],
    environment: Mapping[str, str],
    clock: Clock = utc_now,
) -> list[Delivery]:
    """Run one delivery step: deliver due files.

    If it is killed at any point and run again, it repeats no upload that has an outcome. The ledger
    in the landing area has the attempts: the caller, or else the next step, copies them to the
    warehouse.

    Args:
        home: the installation; the caller holds its lock.
        organizations: the contracts.
        environment: the secrets.
        clock: returns the time of each attempt.

    Raises:
        LedgerError: the ledger cannot be written; files without an intent in it have not been sent.
        WarehouseBusyError: another process has the warehouse open.

    """
    with warehouse.connect(home) as connection:
        ledger.restore(connection, home)
        files = read_undelivered(connection)
        in_doubt = ledger.find_in_doubt(connection)
    return deliver(home, files, organizations, environment, in_doubt, clock)


def deliver(
    home: Home,
    files: Sequence[OutgoingFile],
    organizations: Sequence[Organization],
    environment: Mapping[str, str],
    in_doubt: Collection[FileKey] = (),
    clock: Clock = utc_now,
) -> list[Delivery]:
    """Write payments files to the local outbox and upload all files, for several organizations in
    parallel.

    A failure of one organization is recorded in its attempt; the others continue (R20). The ledger
    in the landing area has all attempts when this returns.

    Args:
        home: the installation; the caller holds its lock.
        files: the files to send, each manifest after its file.
        organizations: the contracts.
        environment: the secrets.
        in_doubt: the files to look for before sending them, from ledger.find_in_doubt().
        clock: returns the time of each attempt.

    Raises:
        LedgerError: the ledger cannot be written; files without an intent in it have not been sent.

    """
    contracts = {each.organization_id: each for each in organizations}
    by_organization: dict[str, list[OutgoingFile]] = {}
    for file in files:
        by_organization.setdefault(file.organization_id, []).append(file)
    receivers = [contracts[each] for each in by_organization if each in contracts]
    with (
        ledger.open_batch(home, clock) as batch,
        Kept(receivers, environment) as kept,
        ThreadPoolExecutor(OUTBOXES_AT_ONCE, thread_name_prefix="outbox") as pool,
    ):

        def deliver_all(organization_id: str) -> list[Delivery]:
            own = by_organization[organization_id]
            doubtful = {file for file in own if file.key in in_doubt}
            sending = _Sending(home, contracts.get(organization_id), own, doubtful, batch)
            return sending.send(environment, kept)

        return [each for some in pool.map(deliver_all, by_organization) for each in some]


class _Sending:
    """The files for one organization in one step, sent by one thread."""

    def __init__(
        self,
        home: Home,
        organization: Organization | None,
        files: Sequence[OutgoingFile],
        doubtful: set[OutgoingFile],
        batch: Batch,
    ) -> None:
        self._home = home
        self._organization = organization
        self._files = files
        self._doubtful = doubtful
        self._batch = batch
        self._done: dict[OutgoingFile, Delivery] = {}

    def send(self, environment: Mapping[str, str], kept: Kept) -> list[Delivery]:
        try:
            for file in self._files:
                self._keep(file)
            if self._organization is None:
                self._end_others(NO_CONTRACT, None)
            elif len(self._done) < len(self._files):
                with connect(self._organization, environment, kept=kept) as client:
                    for file in self._files:
                        if file not in self._done:
                            self._send(client, self._organization.outbox_dir, file)
        except LedgerError:
            raise
        except SftpError as error:
            self._end_others(error.code, str(error))
        except Exception as error:
            self._end_others("failed", trace(error))
        self._batch.sync()
        return [self._done[file] for file in self._files]

    def _keep(self, file: OutgoingFile) -> None:
        """Write the local copy, if the file has one; without it the file is not sent."""
        path = file.path(self._home)
        if path is None:
            return
        try:
            if not path.exists():
                whole_files.write_whole(path, file.content)
            elif not path.is_file():
                said = "the local outbox holds what is no file: move it away, then run again"
                self._end(file, "local_outbox_failed", said)
            elif path.read_bytes() != file.content:
                said = (
                    "the local outbox holds other bytes under this name: move them away, then run"
                    " again"
                )
                self._end(file, "name_taken", said)
        except OSError as error:
            said = f"the local outbox cannot be used ({error.strerror}): mend it, then run again"
            self._end(file, "local_outbox_failed", said)

    def _send(self, client: Client, folder: str, file: OutgoingFile) -> None:
        if file.kind == PAYMENTS_MANIFEST and self._is_without_file(file):
            self._end(file, "file_not_delivered")
            return
        try:
            if file in self._doubtful:
                found = client.find_upload(folder, file.file_name, file.content)
                if found == "whole":
                    self._end(file, "delivered")
                    return
                if found is None:
                    self._end_unconfirmed(file)
                    return
            outcome = client.upload(
                folder,
                file.file_name,
                file.content,
                may_replace=not file.is_final,
                begin=lambda: self._begin(file),
            )
            self._end(file, outcome)
        except SftpError as error:
            if error.code == "timed_out" or not client.is_connected:
                raise
            if error.has_left_nothing:
                self._doubtful.discard(file)
            self._end(file, error.code, str(error))

    def _is_without_file(self, manifest: OutgoingFile) -> bool:
        return any(
            delivery.outcome not in _HAS_ARRIVED
            for file, delivery in self._done.items()
            if file.kind == PAYMENTS_FILE and file.business_date == manifest.business_date
        )

    def _begin(self, file: OutgoingFile) -> None:
        self._batch.note_intent(file)
        self._doubtful.add(file)

    def _end(self, file: OutgoingFile, outcome: str, detail: str | None = None) -> None:
        if outcome in (*DELIVERED, "taken_unread"):
            self._doubtful.discard(file)
        detail = _DETAILS.get(outcome) if detail is None else detail
        self._note([Delivery(file, outcome, detail, file in self._doubtful)])

    def _end_unconfirmed(self, file: OutgoingFile) -> None:
        """Leave a file and its manifest to people: `republish` sends both."""
        left = [file]
        if file.kind == PAYMENTS_FILE:
            left += [
                each
                for each in self._files
                if each.kind == PAYMENTS_MANIFEST and each.business_date == file.business_date
            ]
        self._doubtful.difference_update(left)
        self._note([Delivery(each, "unconfirmed", _DETAILS["unconfirmed"]) for each in left])

    def _end_others(self, outcome: str, detail: str | None) -> None:
        """Record an outcome for all files without one; files in doubt stay in doubt."""
        self._note(
            [
                Delivery(file, outcome, detail, file in self._doubtful)
                for file in self._files
                if file not in self._done
            ]
        )

    def _note(self, deliveries: Sequence[Delivery]) -> None:
        self._batch.note_outcomes(
            *((each.file, each.outcome, each.detail, each.is_in_doubt) for each in deliveries)
        )
        self._done.update({each.file: each for each in deliveries})
