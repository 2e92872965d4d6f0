"""Uploads: whole or not at all, taken once by the next load, whatever is killed in between."""

from __future__ import annotations

import dataclasses
import hashlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from unittest.mock import patch

import openpyxl
import pytest

from orchestration.contracts.organizations import read_organizations
from orchestration.formats import workbooks
from orchestration.installation import warehouse
from orchestration.installation.home import PROJECT, Home
from orchestration.intake import loads, uploads
from orchestration.intake.taking import take
from orchestration.landing import manifests, store

ORGANIZATIONS = read_organizations(PROJECT / "seeds")
LUMINA, ANDES, PEHUEN = ORGANIZATIONS
TODAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def _put(
    home: Home,
    tmp_path: Path,
    content: bytes = b"a workbook",
    name: str = "clientes.xlsx",
    minutes: int = 0,
    organization=LUMINA,
) -> uploads.Upload:
    source = tmp_path / "source"
    source.write_bytes(content)
    return uploads.put(home, organization, source, name, NOW + timedelta(minutes=minutes))


def _take(home: Home) -> manifests.Manifest:
    """What a run that is not due for any inbox takes; it is loaded and finished."""
    with warehouse.connect(home) as connection:
        carried = loads.carry_next(connection, home, TODAY, {}, lambda: NOW - timedelta(days=1))
        warehouse.finish_load(connection, carried.manifest.load_id)
        return carried.manifest


def _names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


class TestPutting:
    """The way in."""

    def test_an_upload_waits_with_all_that_is_known_of_it(self, home, tmp_path):
        upload = _put(home, tmp_path)
        assert upload == uploads.Upload(
            organization_id="lumina",
            folder=upload.folder,
            file_name="clientes.xlsx",
            sha256=hashlib.sha256(b"a workbook").hexdigest(),
            byte_count=10,
            uploaded_at=NOW.replace(tzinfo=None),
        )
        assert upload.workbook.read_bytes() == b"a workbook"
        assert uploads.read_waiting(home, ORGANIZATIONS) == [upload]

    def test_uploads_wait_in_the_order_in_which_they_came(self, home, tmp_path):
        second = _put(home, tmp_path, minutes=2)
        first = _put(home, tmp_path, minutes=1, organization=PEHUEN)
        assert uploads.read_waiting(home, ORGANIZATIONS) == [first, second]

    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\Ana\\Ñandú y más.xlsx", "Ñandú y más.xlsx"),
            ("a\nb\x00\udcff.xlsx", "ab.xlsx"),
            ("", "workbook.xlsx"),
            ("/", "workbook.xlsx"),
            ("x" * 300, "x" * 224),
            ("ñ" * 300, "ñ" * 112),
        ],
    )
    def test_a_name_is_data_and_no_path(self, home, tmp_path, given, kept):
        upload = _put(home, tmp_path, name=given)
        assert upload.file_name == kept
        assert uploads.read_waiting(home, ORGANIZATIONS) == [upload]
        assert upload.folder.parent == home.uploads / "lumina"

    def test_half_an_upload_is_none(self, home, tmp_path):
        with (
            patch.object(Path, "rename", side_effect=KeyboardInterrupt),
            pytest.raises(KeyboardInterrupt),
        ):
            _put(home, tmp_path)
        assert _names(home.uploads) == ["lumina"]
        (home.uploads / "lumina" / ".half.part").mkdir()
        (home.uploads / "lumina" / "dropped by hand.xlsx").write_bytes(b"x")
        assert uploads.read_waiting(home, ORGANIZATIONS) == []


class TestTaking:
    """From the spool into a load of its own."""

    def test_a_load_takes_the_oldest_upload_of_each_organization(self, home, tmp_path):
        late = _put(home, tmp_path, b"late", minutes=2)
        early = _put(home, tmp_path, b"early", minutes=1)
        other = _put(home, tmp_path, b"other", minutes=3, organization=PEHUEN)
        first = _take(home)
        assert [(file.organization_id, file.kind, file.sha256) for file in first.files] == [
            ("lumina", "customers", early.sha256),
            ("colegio_pehuen", "customers", other.sha256),
        ]
        assert [file.file_id for file in first.files] == [early.file_id, other.file_id]
        assert first.files[0].received_at == early.uploaded_at
        assert (first.looks, first.is_followed) == ((), True)
        assert uploads.read_waiting(home, ORGANIZATIONS) == [late]
        assert [file.file_id for file in _take(home).files] == [late.file_id]
        assert _names(home.uploads) == ["colegio_pehuen", "lumina"]
        for upload, content in ((early, b"early"), (late, b"late"), (other, b"other")):
            path = store.file_path(home, upload.organization_id, upload.sha256)
            assert path.read_bytes() == content

    def test_a_load_without_uploads_looks_into_inboxes(self, home):
        manifest = _take(home)
        assert (manifest.files, manifest.is_followed) == ((), False)

    def test_an_upload_is_taken_once_though_the_run_was_killed_before_it_was_forgotten(
        self, home, tmp_path
    ):
        upload = _put(home, tmp_path)
        with (
            patch.object(uploads, "forget", side_effect=KeyboardInterrupt),
            pytest.raises(KeyboardInterrupt),
        ):
            _take(home)
        assert uploads.read_waiting(home, ORGANIZATIONS) == [upload]
        assert [file.file_id for file in _take(home).files] == [upload.file_id]
        assert _take(home).files == ()
        assert uploads.read_waiting(home, ORGANIZATIONS) == []
        with warehouse.connect(home) as connection:
            rows = connection.execute("select file_id from raw.intake_files").fetchall()
        assert rows == [(upload.file_id,)]

    def test_an_upload_stays_when_the_run_is_killed_before_its_manifest(self, home, tmp_path):
        upload = _put(home, tmp_path)
        with (
            patch.object(manifests, "write_manifest", side_effect=KeyboardInterrupt),
            pytest.raises(KeyboardInterrupt),
        ):
            _take(home)
        assert [file.file_id for file in _take(home).files] == [upload.file_id]

    def test_an_organization_without_contract_stops_nobody(self, home, tmp_path):
        gone = dataclasses.replace(LUMINA, organization_id="gone")
        _put(home, tmp_path, organization=gone)
        upload = _put(home, tmp_path, minutes=1)
        assert [file.file_id for file in _take(home).files] == [upload.file_id]
        assert _take(home).files == ()

    def test_what_is_left_of_a_forgotten_upload_goes_with_the_next(self, home, tmp_path):
        (home.uploads / "lumina" / ".former.gone").mkdir(parents=True)
        _put(home, tmp_path)
        _take(home)
        assert _names(home.uploads) == ["lumina"]


class TestLoading:
    """From the landed bytes to raw.customers."""

    def _load(self, home: Home, path: Path) -> list[tuple[object, ...]]:
        source = path.read_bytes()
        (path.parent / "source").write_bytes(source)
        uploads.put(home, LUMINA, path, "clientes.xlsx", NOW)
        _take(home)
        with warehouse.connect(home) as connection:
            return connection.execute(
                "select record_count, file_code, file_message from raw.intake_files"
            ).fetchall()

    def test_rows_are_loaded_as_text_with_the_number_that_excel_shows(self, home, tmp_path):
        workbook = openpyxl.Workbook()
        long = "ñ\"\\'\n" * 6000
        for row in (["RUT", "Nombre", "zona"], [123456785, "Ana"], [], ["1-9", "Eva", long]):
            workbook.active.append(row)
        workbook.save(tmp_path / "w")
        assert self._load(home, tmp_path / "w") == [(2, None, None)]
        with warehouse.connect(home) as connection:
            rows = connection.execute(
                "select line_number, customer_id, name, json_extract_string(attributes, '$.zona'),"
                " attribute_length from raw.customers order by line_number"
            ).fetchall()
        plain = " ".join(long.split())
        assert rows == [
            (2, "123456785", "Ana", None, None),
            (4, "1-9", "Eva", plain, len(plain)),
        ]

    def test_a_broken_workbook_is_a_code_and_loads_nothing(self, home, tmp_path):
        (tmp_path / "w").write_bytes(b"12345678-5;ana@correo.cl")
        assert self._load(home, tmp_path / "w") == [
            (0, "not_a_workbook", "El archivo no es un libro de Excel (.xlsx) o está dañado.")
        ]

    def test_a_workbook_that_breaks_in_the_middle_loads_no_row(self, home, tmp_path):
        workbook = openpyxl.Workbook()
        for row in (["RUT", "Nombre"], ["1-9", "Ana"], ["2-7", "Eva"]):
            workbook.active.append(row)
        workbook.save(tmp_path / "w")
        make_row, calls = workbooks.Workbook._make_row, []

        def break_second(*arguments):
            calls.append(arguments)
            if len(calls) == 2:
                raise ValueError("2-7 is broken")
            return make_row(*arguments)

        with patch.object(workbooks.Workbook, "_make_row", break_second):
            assert self._load(home, tmp_path / "w")[0][:2] == (0, "not_a_workbook")
        with warehouse.connect(home) as connection:
            assert connection.execute("select * from raw.customers").fetchall() == []


def test_a_workbook_in_an_inbox_is_taken_one_at_a_time(make_organization, sftp_server, home):
    organization = make_organization("lumina")
    for day in (1, 2):
        path = sftp_server.root / organization.inbox_dir / f"2026-03-0{day}_toku_customers.xlsx"
        path.write_bytes(b"x")
    environment = sftp_server.environment(["lumina"])
    with warehouse.connect(home) as connection:
        contracts = store.keep_contracts(home)
        manifest = take(
            connection, home, contracts, [organization], TODAY, environment, lambda: NOW
        )
    assert [(file.kind, file.file_name) for file in manifest.files] == [
        ("customers", "2026-03-01_toku_customers.xlsx")
    ]
    assert manifest.is_followed
