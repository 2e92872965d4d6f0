"""The landing area: whole or not at all, under names of ours, and manifests that say it all."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.installation import whole_files
from orchestration.landing import manifests, store
from orchestration.landing.manifests import Decision, EventRange, LandedFile, Look, Manifest

FILE = LandedFile(
    organization_id="lumina",
    kind="invoices",
    file_name="2026-03-02_toku_invoices.csv",
    business_date=date(2026, 3, 2),
    sha256="ab" * 32,
    byte_count=120,
    modified_at=datetime(2026, 3, 2, 7, 59, 58),
    received_at=datetime(2026, 3, 2, 8, 0, 0, 1),
    update_mode="replace",
    customer_id_scheme="rut",
    currency="CLP",
    delimiter=",",
    date_format="YYYY-MM-DD",
    decimal_separator=".",
    max_withdrawal_share="0.5",
    max_rejected_share="0.2",
)

TYPES = {
    "str": st.text(),
    "int": st.integers(),
    "date": st.dates(),
    "datetime": st.datetimes(),
    "int | None": st.none() | st.integers(0, 10**18),
    "datetime | None": st.none() | st.datetimes(),
    "str | None": st.none() | st.text(),
}


def _any_of(kind: type) -> st.SearchStrategy:
    fields = {field.name: TYPES[str(field.type)] for field in dataclasses.fields(kind)}
    return st.builds(kind, **fields)


def _some_of(kind: type) -> st.SearchStrategy:
    return st.lists(_any_of(kind), max_size=3).map(tuple)


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestManifests:
    """What is written of a load is what is read."""

    @given(
        st.builds(
            Manifest,
            load_id=st.integers(1, 99_999_999),
            loaded_at=st.datetimes(),
            business_date=st.dates(),
            looks=_some_of(Look),
            files=_some_of(LandedFile),
            decisions=_some_of(Decision),
            events=_some_of(EventRange),
        )
    )
    def test_a_manifest_reads_back_as_it_was_written(self, manifest):
        assert Manifest.from_json(manifest.to_json()) == manifest

    def test_a_manifest_is_kept_under_its_number(self, home):
        manifest = Manifest(7, datetime(2026, 3, 2, 8), date(2026, 3, 2), files=(FILE,))
        assert manifests.read_manifest(home, 7) is None
        manifests.write_manifest(home, manifest)
        assert manifests.read_manifest(home, 7) == manifest
        assert manifests.read_manifest(home, 8) is None
        assert _names(home.landing / "_loads") == ["00000007.json"]

    @pytest.mark.parametrize(
        ("waiting", "taken", "expected"), [(0, 1, False), (1, 1, True), (1, 0, False)]
    )
    def test_files_wait_only_behind_files_that_were_taken(self, waiting, taken, expected):
        look = Look("lumina", "looked", files_taken=taken, files_waiting=waiting)
        manifest = Manifest(1, datetime(2026, 3, 2), date(2026, 3, 2), looks=(look,))
        assert manifest.is_followed is expected


class TestReceiving:
    """Bytes on their way (R13)."""

    def test_kept_bytes_are_found_under_their_hash_and_nothing_else_is_there(self, home):
        content = b"a,b\r\n\xff\x00"
        sha256 = hashlib.sha256(content).hexdigest()
        with store.receiving(home, "lumina") as (target, part):
            target.write(content)
            target.flush()
            store.keep(home, "lumina", part, sha256)
        assert _names(home.landing / "lumina") == [sha256]
        assert store.file_path(home, "lumina", sha256).read_bytes() == content

    def test_bytes_are_on_the_disk_before_they_have_their_name_and_then_their_name_is(
        self, home, monkeypatch
    ):
        """A manifest that names them is on the disk soon after (R29)."""
        fsync, synced = os.fsync, []

        def note(descriptor: int) -> None:
            is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
            synced.append((is_folder, _names(home.landing / "lumina")))
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", note)
        with store.receiving(home, "lumina") as (target, part):
            target.write(b"a")
            target.flush()
            store.keep(home, "lumina", part, "ab" * 32)
        assert synced == [(False, [part.name]), (True, ["ab" * 32])]

    def test_the_same_bytes_again_are_kept_once(self, home):
        for _ in range(2):
            with store.receiving(home, "lumina") as (target, part):
                target.write(b"same")
                target.flush()
                store.keep(home, "lumina", part, "ab" * 32)
        assert _names(home.landing / "lumina") == ["ab" * 32]

    def test_half_received_bytes_are_gone_after_an_error(self, home):
        def receive() -> None:
            with store.receiving(home, "lumina") as (target, part):
                target.write(b"half")
                assert _names(home.landing / "lumina") == [part.name]
                raise ConnectionError

        with pytest.raises(ConnectionError):
            receive()
        assert _names(home.landing / "lumina") == []


class TestWritingWhole:
    """A file is there whole or not at all."""

    def test_the_bytes_are_there_and_the_temporary_name_is_gone(self, tmp_path):
        path = tmp_path / "new" / "folder" / "file.csv"
        whole_files.write_whole(path, b"\x00\r\n")
        assert path.read_bytes() == b"\x00\r\n"
        assert _names(path.parent) == ["file.csv"]

    def test_a_half_written_temporary_file_of_a_crash_is_replaced(self, tmp_path):
        (tmp_path / ".file.csv.part").write_bytes(b"half of something much longer")
        whole_files.write_whole(tmp_path / "file.csv", b"whole")
        assert (tmp_path / "file.csv").read_bytes() == b"whole"
        assert _names(tmp_path) == ["file.csv"]

    def test_whoever_reads_while_it_is_replaced_sees_the_former_or_the_new(self, tmp_path):
        path = tmp_path / "file.csv"
        whole_files.write_whole(path, b"former")
        with path.open("rb") as reader:
            whole_files.write_whole(path, b"new")
            assert reader.read() == b"former"
        assert path.read_bytes() == b"new"


class TestFileIds:
    """The name of a receipt."""

    def test_an_id_never_changes(self):
        parts = (
            b"lumina\0invoices\0" + b"2026-03-02_toku_invoices.csv\0",
            b"ab" * 32 + b"\0" + b"2026-03-02T08:00:00.000001",
        )
        assert FILE.file_id == hashlib.sha256(b"".join(parts)).hexdigest()[:16]
        assert dataclasses.replace(FILE).file_id == FILE.file_id

    @pytest.mark.parametrize(
        "change",
        [
            {"received_at": datetime(2026, 3, 2, 8, 0, 0, 2)},
            {"sha256": "cd" * 32},
            {"file_name": "2026-03-03_toku_invoices.csv"},
            {"kind": "payments"},
            {"organization_id": "other"},
        ],
        ids=lambda change: next(iter(change)),
    )
    def test_another_receipt_has_another_id(self, change):
        assert dataclasses.replace(FILE, **change).file_id != FILE.file_id
