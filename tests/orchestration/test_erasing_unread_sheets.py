"""A person who is only in what is not read of a workbook: all of that is dropped or
replaced, as it is when the person has a row.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import openpyxl
import pytest

from orchestration.contracts.organizations import read_column_aliases
from orchestration.formats import workbooks
from orchestration.landing import manifests, store
from orchestration.privacy import erasure
from tests.orchestration.houses import Deposit, House, csv_of, xlsx_of

# by organization, the person and the pseudonym
PERSONS = {"luz": ("12345678-5", "900000000-7"), "agua": ("Ñ & 007-A", "borrado-1")}
ROWS = (("RUT", "Nombre"), ("11.111.111-1", "Otra"), ("22.222.222-2", "Otro"))


def _book(
    *cells: object, state: str = "visible", author: str = "", above: Sequence[object] = ()
) -> bytes:
    """A workbook of others, with a sheet that is not read; and some cells above the header."""
    rows = ((*above,), (), *ROWS) if above else ROWS
    workbook = openpyxl.load_workbook(BytesIO(xlsx_of(rows)))
    sheet = workbook.create_sheet("Bajas")
    sheet.append(cells)
    sheet.sheet_state = state
    workbook.properties.creator = author
    content = BytesIO()
    workbook.save(content)
    return content.getvalue()


# by where the person is, the organization, the workbook, and a word of the person's in it
NAMING: Mapping[str, tuple[str, bytes, str]] = {
    "another sheet": ("luz", _book("12.345.678-5", "Ana Secreta"), "Secreta"),
    "a number": ("luz", _book(12345678, "Ana Secreta"), "Secreta"),
    "a hidden sheet": ("luz", _book("12345678-5", "Ana", state="hidden"), "12345678"),
    "above the header": (
        "luz",
        _book(above=["Alta pedida por Marta Rojas", "RUT", 12345678, True]),
        "Rojas",
    ),
    "the author": ("luz", _book(author="Ana 12.345.678-5"), "12.345.678"),
    "an own id": ("agua", _book("Ñ\u00a0 & 007-A", "Ana Secreta"), "Secreta"),
}
OTHERS = ("luz", _book("13.333.333-3", "Eva"))


@dataclass(frozen=True)
class Books:
    """Where the bytes of each workbook are kept, and where those that erasures planned instead."""

    house: House
    former: Mapping[str, Path]
    planned: Mapping[str, Path]

    def rows(self, organization_id: str, path: Path) -> list[workbooks.Row]:
        """The rows of a workbook."""
        aliases = read_column_aliases(self.house.home.seeds)
        scheme = self.house.organizations[organization_id].customer_id_scheme
        with workbooks.read(path, organization_id, scheme, aliases) as book:
            return list(book.rows())


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    """Workbooks of both organizations, and what an erasure of each person plans."""
    root = tmp_path_factory.mktemp("unread_sheets")
    house = House.make(root, {"luz": {"customer_id_scheme": "rut"}, "agua": {}})
    debts = {
        organization_id: csv_of(
            [
                ("customer_id", "product_id", "due_date", "amount"),
                (customer_id, "p-1", "2026-03-31", "1000"),
            ]
        )
        for organization_id, (customer_id, _) in PERSONS.items()
    }
    contents = {where: (whose, content) for where, (whose, content, _) in NAMING.items()}
    contents["nobody"] = OTHERS
    house.load(
        *(Deposit(whose, content) for whose, content in debts.items()),
        *(Deposit(whose, content, manifests.CUSTOMERS) for whose, content in contents.values()),
    )
    kept: dict[str, str] = {}
    for whose, (customer_id, pseudonym) in PERSONS.items():
        scheme = house.organizations[whose].customer_id_scheme
        request = erasure.Request(whose, scheme, {customer_id: pseudonym})
        kept.update(erasure._plan(house.home, request, lambda _: None).kept)
    (manifest,) = manifests.read_manifests(house.home)
    landed = [file for file in manifest.files if file.kind == manifests.CUSTOMERS]
    files = dict(zip(contents, landed, strict=True))
    return Books(
        house,
        {where: store.stored_path(house.home, file) for where, file in files.items()},
        {
            where: store.file_path(house.home, file.organization_id, kept[file.file_id])
            for where, file in files.items()
            if file.file_id in kept
        },
    )


def _text(path: Path) -> str:
    with zipfile.ZipFile(path) as archive:
        return "".join(archive.read(name).decode() for name in archive.namelist())


@pytest.mark.parametrize("where", NAMING)
def test_what_is_not_read_is_dropped_if_it_names_the_person(books: Books, where: str) -> None:
    organization_id, _, word = NAMING[where]
    assert word in _text(books.former[where])
    assert where in books.planned
    assert word not in _text(books.planned[where])
    former, planned = (
        books.rows(organization_id, paths[where]) for paths in (books.former, books.planned)
    )
    assert len(former) == len(ROWS) - 1
    assert planned == former


def test_a_workbook_that_does_not_name_the_person_stays(books: Books) -> None:
    assert "Eva" in _text(books.former["nobody"])
    assert "nobody" not in books.planned
