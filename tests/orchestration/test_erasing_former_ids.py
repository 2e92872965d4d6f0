"""A person who had another id before `customer_id_scheme` changed is erased under that one
too: the RUT as it was written, or an id that is no RUT.
"""

from __future__ import annotations

import json
import os
import re
import time
import zipfile
from pathlib import Path

import pytest

from orchestration.contracts.organizations import read_column_aliases
from orchestration.formats import workbooks
from orchestration.installation.home import Home
from orchestration.landing import manifests, store
from orchestration.privacy import erasure, id_spellings, persons
from orchestration.privacy.id_spellings import Ids
from tests.orchestration.houses import Deposit, House, event_of, xlsx_of

HEADER = ("customer_id", "Nombre")
DOTTED, ZEROS, RUT, CODE, NUMBER = "12.345.678-5", "012.345.678-5", "12345678-5", "AL-0001", "777"
# A number of the organization's own that is, with a hyphen, the RUT of somebody else.
ACCOUNT = "12345674"
FORMER = [
    HEADER,
    (DOTTED, "Secreta"),
    (ZEROS, "Secreta"),
    (CODE, "Alba"),
    ("AL-0002", "Otra"),
    (NUMBER, "Nadia"),
    ("11.111.111-1", "Otro"),
    (ACCOUNT, "Nora"),
]
LATTER = [
    ("RUT", "Nombre"),
    (DOTTED, "Secreta"),
    ("12.345.678-9", "Secreta"),
    ("11.111.111-1", "Otro"),
    ("77-7", "Otra"),
    ("1.234.567-4", "Rut"),
]
SECRETS = {"Secreta", "Alba", "Nadia"}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    """Luz has RUTs since its second load, and Agua has had none since then."""
    house = House.make(
        tmp_path_factory.mktemp("former_ids"), {"luz": {}, "agua": {"customer_id_scheme": "rut"}}
    )
    house.load(
        Deposit("luz", xlsx_of(FORMER), manifests.CUSTOMERS),
        Deposit("agua", xlsx_of(LATTER), manifests.CUSTOMERS),
        events=[event_of("luz", 1, customer_id=DOTTED, product_id="P", due_date="2026-03-31")],
    )
    house.change_contract("luz", customer_id_scheme="rut")
    house.change_contract("agua", customer_id_scheme="external_id")
    house.load(
        Deposit("luz", xlsx_of(LATTER), manifests.CUSTOMERS),
        Deposit("agua", xlsx_of(FORMER), manifests.CUSTOMERS),
        events=[event_of("luz", 2, customer_id=DOTTED, product_id="P", due_date="2026-03-31")],
    )
    return house


def _request(house: House, *texts: str) -> erasure.Request:
    """What an erasure of customers of Luz begins with."""
    every = id_spellings.normal_ids(house.home, house.organizations["luz"], texts)
    request = erasure.Request(
        "luz",
        "rut",
        {each: "" for ids in every for each in ids.every},
        [each for ids in every for each in ids.former],
    )
    with persons.asking(house.home, lambda _: None) as connection:
        pseudonyms = persons.draw_pseudonyms(connection, request)
    return erasure.Request("luz", "rut", pseudonyms, request.former)


def test_an_id_is_read_with_those_that_the_customer_had_before(house: House) -> None:
    luz = house.organizations["luz"]
    texts = [DOTTED, CODE, NUMBER, "11111111-1", "22.222.222-2"]
    assert id_spellings.normal_ids(house.home, luz, texts) == [
        Ids(RUT, (ZEROS, DOTTED)),
        Ids(None, (CODE,)),
        Ids(None, (NUMBER,)),
        Ids("11111111-1", ("11.111.111-1",)),
        Ids("22222222-2"),
    ]


def test_a_number_of_the_organizations_own_is_not_the_rut_of_somebody_else(house: House) -> None:
    luz = house.organizations["luz"]
    assert id_spellings.normal_ids(house.home, luz, ["1.234.567-4", ACCOUNT]) == [
        Ids("1234567-4"),
        Ids(None, (ACCOUNT,)),
    ]


@pytest.mark.parametrize("text", ["AL-0003", "12.345.678-9"])
def test_what_is_neither_a_rut_nor_a_former_id_is_refused(house: House, text: str) -> None:
    with pytest.raises(id_spellings.InvalidCustomerIdError) as told:
        id_spellings.normal_ids(house.home, house.organizations["luz"], [RUT, text])
    assert str(told.value) == (
        "customer 2 is no RUT: say it with its check digit, such as 12345678-5"
    )


def test_an_id_that_was_erased_is_an_id_when_it_is_said_again(house: House) -> None:
    luz = house.organizations["luz"]
    (ids,) = id_spellings.normal_ids(house.home, luz, ["AL-0003"], {"AL-0003": "borrado-1"})
    assert ids == Ids("AL-0003")


def test_a_former_spelling_stays_another_spelling_of_the_same_rut(house: House) -> None:
    request = _request(house, DOTTED, CODE)
    new = request.pseudonyms[RUT]
    assert re.fullmatch("9[0-9]{8}-[0-9K]", new)
    assert request.pseudonyms[CODE].startswith("borrado-")
    assert {each: request.pseudonyms[each] for each in (DOTTED, ZEROS)} == {
        ZEROS: f"0{new}",
        DOTTED: f"00{new}",
    }
    assert request.count == 2


def test_the_rows_and_events_of_both_schemes_are_rewritten_and_no_others(house: House) -> None:
    request = _request(house, DOTTED, CODE, NUMBER)
    planned = erasure._plan(house.home, request, lambda _: None)
    new = request.pseudonyms[RUT]
    expected = [
        [request.pseudonyms[each] for each in (DOTTED, ZEROS, CODE)]
        + ["AL-0002", request.pseudonyms[NUMBER], "11.111.111-1", ACCOUNT],
        [new, "borrado", "11.111.111-1", "77-7", "1.234.567-4"],
    ]
    books = [
        file
        for manifest in manifests.read_manifests(house.home)
        for file in manifest.files
        if file.organization_id == "luz"
    ]
    aliases = read_column_aliases(house.home.seeds)
    for book, ids in zip(books, expected, strict=True):
        former = store.stored_path(house.home, book)
        written = store.file_path(house.home, "luz", planned.kept[book.file_id])
        assert SECRETS & _words(former)
        assert not SECRETS & _words(written)
        with workbooks.read(written, "luz", book.customer_id_scheme, aliases) as again:
            assert [
                "borrado"
                if row.customer_id[:8] == "borrado-" and each == "borrado"
                else row.customer_id
                for row, each in zip(again.rows(), ids, strict=True)
            ] == ids
    assert len(planned.ranges) == 2
    lines = [
        store.events_path(house.home, sha256).read_text() for sha256 in planned.ranges.values()
    ]
    # Both are spellings of the one new RUT.
    assert [json.loads(line)["customer_id"] for line in lines] == [f"00{new}", new]


def test_events_that_may_not_be_changed_refuse_an_erasure_before_it_begins(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = _request(house, DOTTED)
    monkeypatch.setattr(erasure.os, "access", lambda *_: False)
    with pytest.raises(id_spellings.RefusedError) as told:
        erasure._plan(house.home, request, lambda _: None)
    assert str(told.value).endswith(
        " in events/ names the person and may not be changed: make it a file of Saldo's user, then"
        " erase"
    )


def test_what_a_killed_upload_left_goes_and_one_that_is_written_stays(home: Home) -> None:
    for name, age in (("killed", 3600), ("written", 1)):
        part = home.uploads / "luz" / f".{name}.part"
        part.mkdir(parents=True)
        os.utime(part, (time.time() - age,) * 2)
    erasure._forget_former(home)
    assert [path.name for path in (home.uploads / "luz").iterdir()] == [".written.part"]


def _words(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        text = "".join(archive.read(name).decode() for name in archive.namelist())
    return set(re.findall(r"\w+", text))


def _check(house: House, organization_id: str, *texts: str) -> None:
    organization = house.organizations[organization_id]
    places: dict[str, int] = {}
    former: list[str] = []
    for place, ids in enumerate(id_spellings.normal_ids(house.home, organization, texts), start=1):
        places.update(dict.fromkeys(ids.every, place))
        former += ids.former
    asked = id_spellings.Persons(
        organization_id, organization.customer_id_scheme, dict.fromkeys(places, ""), former
    )
    with persons.asking(house.home, lambda _: None) as connection:
        persons.check(connection, house.home, organization, asked, places)


@pytest.mark.parametrize("text", [DOTTED, RUT])
def test_who_was_named_by_a_rut_is_erased_once_the_organization_has_ruts_again(
    house: House, text: str
) -> None:
    with pytest.raises(id_spellings.RefusedError) as told:
        _check(house, "agua", CODE, text)
    assert str(told.value) == (
        "customer 2 is also named by a RUT, from when the organization had the customer_id_scheme"
        " `rut`: give it that scheme again and run, then erase"
    )


def test_who_is_known_by_any_of_the_ids_is_known(house: House) -> None:
    _check(house, "agua", CODE, NUMBER)
    _check(house, "luz", CODE, NUMBER, "11111111-1")
    with pytest.raises(id_spellings.RefusedError) as told:
        _check(house, "luz", CODE, "22222222-2")
    assert str(told.value) == ("customer 2 is not known: look the id up in `customers` or `debts`")
