"""Check whether a contract and its server are usable, and what the newest file would become.

This is for onboarding a company. The file is read in a temporary home, by the same code and models
as in a run, so the result is that of a run. Nothing changes in the installation or on the server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from orchestration.contracts.folders import Folder, find_shared
from orchestration.contracts.organizations import Organization, read_organizations
from orchestration.formats.file_columns import Column
from orchestration.installation import dbt_project, warehouse
from orchestration.installation.clock import naive_utc, utc_now
from orchestration.installation.databases import Connection
from orchestration.installation.home import Home
from orchestration.intake import arriving, loading
from orchestration.intake.loads import ErasureUnfinishedError
from orchestration.intake.receiving import file_limit, receive
from orchestration.intake.recognizing import find_misnamed, recognize
from orchestration.intake.trial_homes import trial_home
from orchestration.landing import store
from orchestration.landing.manifests import LandedFile, Manifest
from orchestration.servers.connections import connect
from orchestration.servers.errors import SftpError
from orchestration.servers.keys import read_trusted_keys
from orchestration.servers.remote_files import Listing
from orchestration.servers.sftp import Client

_MODELS = ("+intake_files", "+intake_rejections")
_WITHOUT_LINE_END = (
    "its last line has no line end, as if it were cut off: after a file that had one a run would"
    " hold it (maybe_truncated); ask the organization whether it is whole"
)

_COLUMNS = """
select column_number, column_name, field, attribute_name
from raw.intake_file_columns
where file_id = $file_id
order by column_number
"""
_REFUSED_ROWS = """
select line_number, code, message
from main.intake_rejections
where file_id = $file_id
order by line_number
"""
_VERDICT = """
select encoding, status, code, message, record_count, accepted_count
from main.intake_files
where file_id = $file_id
"""
_RECEIVED = "select ends_with_line_end from raw.intake_files where file_id = $file_id"


@dataclass(frozen=True)
class RefusedRow:
    """A row that would be refused (R15)."""

    line_number: int
    code: str
    message: str


@dataclass
class Checked:
    """The result for one organization.

    Args:
        organization_id: the organization.
        error: code and message if its server or inbox cannot be used, else None.
        shared: its folders that, on the server, are the same as, inside or around another folder of
            a contract.
        files_seen: the number of files in the inbox.
        left_out: code and message of entries that would not be read (R18).
        notes: the file attributes that the server does not give, and the consequences (R13).
        file: its newest debts file.
        encoding: the encoding of the file.
        columns: the columns recognized in its header.
        status: the status that a run would give the file alone, without comparing debts.
        code: why it would not be applied.
        message: the message for the code, in Spanish.
        record_count: the number of its records.
        accepted_count: the number of records that would be accepted.
        refused_rows: the rows that would be refused.
        warnings: what a run, which knows the previous files, may do with the file.

    """

    organization_id: str
    error: tuple[str, str] | None = None
    shared: list[tuple[Folder, Folder]] = field(default_factory=list)
    files_seen: int = 0
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    file: LandedFile | None = None
    encoding: str | None = None
    columns: list[Column] = field(default_factory=list)
    status: str | None = None
    code: str | None = None
    message: str | None = None
    record_count: int = 0
    accepted_count: int = 0
    refused_rows: list[RefusedRow] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether server and folders can be used and nothing of the newest file is refused."""
        is_read = self.error is None and not self.shared and not self.left_out
        return is_read and self.code is None and not self.refused_rows


def check(
    home: Home, organizations: Sequence[Organization], environment: Mapping[str, str]
) -> list[Checked]:
    """Connect to each organization's server and try its newest debts file.

    Args:
        home: the installation, whose contracts are used. It changes in one case: a file that the
            inbox gave only once is kept for the next load.
        organizations: the organizations to check.
        environment: the variables with the secrets of the servers.

    Raises:
        ErasureUnfinishedError: a file would bring back a person who is being erased.

    """
    with trial_home(home, "check") as trial:
        named = [folder for each in read_organizations(home.seeds) for folder in each.folders]
        found = [_look(home, trial, each, named, environment) for each in organizations]
        if any(each.file for each in found):
            _try_files(trial, found)
        return found


def _look(
    home: Home,
    trial: Home,
    organization: Organization,
    named: Sequence[Folder],
    environment: Mapping[str, str],
) -> Checked:
    checked = Checked(organization.organization_id)
    try:
        with connect(organization, environment) as client:
            checked.shared = _find_shared(client, organization, named)
            listing = client.look(organization.inbox_dir)
            checked.files_seen = len(listing.files)
            checked.left_out = find_misnamed(organization, listing, (), None, environment)
            checked.notes = _describe(listing)
            if complaint := read_trusted_keys(organization, environment).complaint:
                checked.notes.append(complaint)
            arrivals = [
                arrival
                for remote in listing.files
                for arrival in recognize(organization, remote, utc_now().date())
                if arrival.kind == "invoices"
            ]
            if arrivals:
                newest = max(
                    arrivals,
                    key=lambda each: (
                        each.file_code is None,
                        each.business_date,
                        str(each.remote.modified_at),
                    ),
                )
                limit = file_limit(environment)
                with arriving.reading(home, organization.organization_id):
                    if home.erasure.exists():
                        raise ErasureUnfinishedError
                    received = receive(
                        home, organization, client, newest, utc_now, limit, trial=trial
                    )
                checked.file = received.file
                if received.download.is_taken_away:
                    checked.notes.append("gives a file once: this one is kept for the next run")
    except SftpError as error:
        checked.error = (error.code, str(error))
    return checked


def _describe(listing: Listing) -> list[str]:
    notes: list[str] = []
    if any(not file.has_time for file in listing.files):
        notes.append("gives no times: files of the last week are received again and compared")
    if any(file.size is None for file in listing.files):
        notes.append("gives no sizes: each file is received twice and compared")
    return notes


def _find_shared(
    client: Client, organization: Organization, named: Sequence[Folder]
) -> list[tuple[Folder, Folder]]:
    """Find the shared folders of an organization, as its server resolves them (R11)."""
    account = organization.folders[0].account
    resolved = [_resolve(client, folder) for folder in named if folder.account == account]
    return [
        pair
        for pair in find_shared(resolved)
        if organization.organization_id in {each.organization_id for each in pair}
    ]


def _resolve(client: Client, folder: Folder) -> Folder:
    try:
        return replace(folder, resolved=client.resolve(folder.path))
    except SftpError:
        # Listing the folder reports that it is missing.
        if client.is_connected:
            return folder
        raise


def _try_files(trial: Home, found: Sequence[Checked]) -> None:
    """Load the files into the empty warehouse of the trial, and query the models."""
    files = [each.file for each in found if each.file]
    manifest = Manifest(
        load_id=1,
        loaded_at=naive_utc(utc_now()),
        business_date=utc_now().date(),
        contracts=store.keep_contracts(trial),
        files=tuple(files),
    )
    with warehouse.connect(trial) as connection:
        loading.load(connection, trial, manifest)
    arguments = ("build", "--quiet", "--exclude-resource-type", "unit_test", "test")
    dbt_project.run_dbt(trial, *arguments, "--select", *_MODELS)
    with warehouse.connect(trial) as connection:
        for checked in found:
            if checked.file is not None:
                _read_result(connection, checked, checked.file.file_id)


def _read_result(connection: Connection, checked: Checked, file_id: str) -> None:
    """Note what the models say of a file."""

    def read(sql: str) -> list[dict[str, Any]]:
        return warehouse.read_rows(connection, sql, {"file_id": file_id})

    checked.columns = [Column(**each) for each in read(_COLUMNS)]
    checked.refused_rows = [RefusedRow(**each) for each in read(_REFUSED_ROWS)]
    (verdict,) = read(_VERDICT)
    checked.encoding = verdict["encoding"]
    checked.status = verdict["status"]
    checked.code = verdict["code"]
    checked.message = verdict["message"]
    checked.record_count = verdict["record_count"]
    checked.accepted_count = verdict["accepted_count"]
    (received,) = read(_RECEIVED)
    if received["ends_with_line_end"] is False:
        checked.warnings.append(_WITHOUT_LINE_END)
