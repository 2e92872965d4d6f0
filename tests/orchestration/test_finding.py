"""Finding folders, files and uploads on a real server (R13, R24)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestration.contracts.organizations import Organization
from orchestration.devtools.loopback_sftp import LoopbackServer
from orchestration.servers.connections import connect
from orchestration.servers.errors import SftpError
from orchestration.servers.remote_files import Listing, RemoteFile, partial_name
from orchestration.servers.sftp import Client
from tests.orchestration.conftest import MakeOrganization

NAME, CONTENT = "2026-03-02_toku_payments.csv", b"customer_id\n"
PART = partial_name(NAME, hashlib.sha256(CONTENT).hexdigest())
# Later than the time of any real folder.
CHANGED_AT = datetime(2100, 3, 2, 8, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Place:
    """A folder of an organization, from both ends of a connection."""

    client: Client
    organization: Organization
    outbox: Path

    @property
    def folder(self) -> str:
        """The folder, as the contract names it."""
        return self.organization.outbox_dir

    def put(self, name: str, content: bytes = CONTENT) -> RemoteFile:
        """Leave a file; returns it as the server has it."""
        path = self.outbox / name
        path.write_bytes(content)
        os.utime(path, (CHANGED_AT.timestamp(), CHANGED_AT.timestamp()))
        return RemoteFile(name, len(content), CHANGED_AT)


@pytest.fixture
def place(sftp_server: LoopbackServer, make_organization: MakeOrganization) -> Iterator[Place]:
    organization = make_organization()
    with connect(organization, sftp_server.environment(["lumina"])) as client:
        yield Place(client, organization, sftp_server.root / organization.outbox_dir)


def test_a_listing_tells_files_other_names_and_the_newest_change_of_a_folder(place: Place) -> None:
    expected = [place.put("b.csv"), place.put("a.csv", b"")]
    for name in ("z.csv", "y.csv"):
        (place.outbox / name).symlink_to("nowhere")
    for name, seconds in (("newest", 0), ("older", -60)):
        (place.outbox / name).mkdir()
        changed_at = CHANGED_AT.timestamp() + seconds
        os.utime(place.outbox / name, (changed_at, changed_at))
    assert place.client.look(place.folder) == Listing(
        tuple(reversed(expected)), ("y.csv", "z.csv"), CHANGED_AT
    )


def test_a_file_is_found_as_it_is_now(place: Place) -> None:
    assert place.client.find(place.folder, NAME) is None
    expected = place.put(NAME)
    assert place.client.find(place.folder, NAME) == expected


@pytest.mark.parametrize("kind", ["a link", "a folder", "in no folder"])
def test_what_is_no_file_any_more_is_not_found(place: Place, kind: str) -> None:
    if kind == "a link":
        (place.outbox / NAME).symlink_to("/etc/hostname")
    elif kind == "a folder":
        (place.outbox / NAME).mkdir()
    else:
        place.outbox.rmdir()
    assert place.client.find(place.folder, NAME) is None


def test_a_file_that_cannot_be_asked_for_is_not_told_as_gone(place: Place) -> None:
    with pytest.raises(SftpError) as raised:
        place.client.find(place.folder, "a/b")
    assert raised.value.code == "invalid_name"


def test_a_folder_leads_where_the_server_resolves_it(place: Place) -> None:
    place.put(NAME)
    (place.outbox.parent / "link").symlink_to(place.outbox)
    parent = place.folder.rpartition("/")[0]
    assert place.client.resolve(f"{parent}/link/../link") == str(place.outbox.resolve())
    with pytest.raises(SftpError) as raised:
        place.client.resolve(f"{place.folder}/nowhere/nothing")
    assert raised.value.code == "no_folder"
    assert str(raised.value).startswith(f"resolving {place.folder}/nowhere/nothing: ")


@pytest.mark.parametrize(
    ("there", "found"),
    [
        ({}, None),
        ({NAME: CONTENT}, "whole"),
        ({NAME: CONTENT, PART: b""}, "whole"),
        ({PART: b""}, "begun"),
        ({NAME: b"others are here", PART: CONTENT}, "begun"),
        ({NAME: b"others are here"}, None),
        ({NAME: CONTENT.upper()}, None),
    ],
    ids=["nothing", "the name", "both", "a part", "a part beside others", "more", "as much"],
)
def test_an_upload_is_found_by_its_bytes_or_its_temporary_name(
    place: Place, there: dict[str, bytes], found: str | None
) -> None:
    for name, content in there.items():
        (place.outbox / name).write_bytes(content)
    assert place.client.find_upload(place.folder, NAME, CONTENT) == found


def test_an_upload_into_a_folder_that_is_gone_is_not_told_as_taken(place: Place) -> None:
    place.outbox.rmdir()
    with pytest.raises(SftpError) as raised:
        place.client.find_upload(place.folder, NAME, CONTENT)
    assert raised.value.code == "no_folder"
    assert str(raised.value).startswith(f"looking into {place.folder}: ")
    with pytest.raises(SftpError) as raised:
        place.client.upload(place.folder, NAME, CONTENT)
    assert raised.value.code == "no_folder"
    assert str(raised.value).startswith(f"uploading to {place.folder}: ")


def test_a_connection_that_has_ended_is_known_as_ended(place: Place) -> None:
    assert place.client.is_connected
    place.client._sftp.get_channel().get_transport().close()
    assert not place.client.is_connected
    with pytest.raises(SftpError) as raised:
        place.client.upload(place.folder, NAME, CONTENT)
    assert (raised.value.code, raised.value.has_left_nothing) == ("connection_lost", False)


@pytest.mark.parametrize("kept", [b"", CONTENT.upper()])
def test_an_upload_that_was_damaged_leaves_nothing_and_says_so(place: Place, kept: bytes) -> None:
    def damage() -> None:
        (place.outbox / PART).unlink()
        (place.outbox / PART).write_bytes(kept)

    with pytest.raises(SftpError) as raised:
        place.client.upload(place.folder, NAME, CONTENT, begin=damage)
    assert (raised.value.code, raised.value.has_left_nothing) == ("upload_damaged", True)
    assert list(place.outbox.iterdir()) == []
