"""The ways in which a customer id may be spelled in an organization's files (R1)."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from orchestration.contracts.organizations import Organization
from orchestration.installation import warehouse
from orchestration.installation.databases import Connection, read_value
from orchestration.installation.errors import ToldError, WrongUseError
from orchestration.installation.home import Home

_BLANKS = rb"(?:[\s\x80-\xff]|\\u[0-9a-f]{4}|\\t){1,12}"
CHECK_DIGITS = "0123456789K"
RUT_DIGITS = 9


class InvalidCustomerIdError(WrongUseError):
    """The operator's input cannot be a customer id of the organization; the message says which."""


class RefusedError(ToldError):
    """A person cannot be erased now; nothing has changed, and the message says why."""


@dataclass(frozen=True)
class Persons:
    """Customers of one organization.

    Args:
        organization_id: the organization.
        scheme: the organization's id scheme.
        pseudonyms: the pseudonyms by customer id.
        former: those ids that are from before the scheme was `rut`, as they were written.

    """

    organization_id: str
    scheme: str
    pseudonyms: Mapping[str, str]
    former: Sequence[str] = ()

    def is_rut(self, customer_id: str) -> bool:
        """Whether an id is a RUT in its form for comparison."""
        return self.scheme == "rut" and customer_id not in self.former

    @property
    def count(self) -> int:
        """How many they are; a former id of somebody has the same pseudonym with a zero before."""
        return len({each.lstrip("0") for each in self.pseudonyms.values()})


@dataclass(frozen=True)
class Ids:
    """The ids of one customer in their form for comparison.

    Args:
        own: by the organization's id scheme; None if it is none.
        former: where the scheme is `rut`, those in the warehouse that are from before it was: the
            RUT as it was written, or what is no RUT.

    """

    own: str | None
    former: tuple[str, ...] = ()

    @property
    def every(self) -> tuple[str, ...]:
        """All of them."""
        return self.former if self.own is None else (self.own, *self.former)


def normal_ids(
    home: Home, organization: Organization, texts: Sequence[str], erased: Collection[str] = ()
) -> list[Ids]:
    """Return ids in their form for comparison, with the functions that the models made (R1).

    Args:
        home: the installation.
        organization: the organization of the customers.
        texts: the ids as an operator wrote them.
        erased: ids that the warehouse had until now.

    Raises:
        InvalidCustomerIdError: an id is no RUT, or has no visible character.
        RefusedError: nothing has been loaded, or nothing by this version.

    """
    with warehouse.connect(home) as connection:
        if not warehouse.is_built(connection):
            raise RefusedError("nothing has been loaded: run, then erase")
        if not connection.execute(
            "select 1 from duckdb_functions() where function_name = 'valid_rut'"
        ).fetchone():
            raise RefusedError("the warehouse is of an older version: say `replay`, then erase")
        normal: list[Ids] = []
        is_rut = organization.customer_id_scheme == "rut"
        for place, text in enumerate(texts, start=1):
            if is_rut:
                former = _find_former(connection, organization.organization_id, text)
                # Digits that were an id of its own are not taken for the RUT of somebody else.
                is_number = re.fullmatch("[0-9]+K?", text.strip()) is not None
                own = None if former and is_number else valid_rut(connection, text)
                ids = Ids(own, former)
                if not ids.every and (known := _ask(connection, "normal_id", text)) in erased:
                    ids = Ids(known)
            else:
                ids = Ids(_ask(connection, "normal_id", text) or None)
            if not ids.every:
                what = (
                    "is no RUT: say it with its check digit, such as 12345678-5"
                    if is_rut
                    else "has no id: say one"
                )
                raise InvalidCustomerIdError(f"customer {place} {what}")
            normal.append(ids)
    return normal


def _find_former(connection: Connection, organization_id: str, text: str) -> tuple[str, ...]:
    """Find the ids that an organization with RUTs had for a customer before it had them.

    One that is a number, and so may be the RUT of somebody else, is found by itself alone.
    """
    if not had_scheme(connection, organization_id, "external_id"):
        return ()
    rows = connection.execute(
        """
        select distinct customer_id
        from intermediate.int_customers__named
        where
            organization_id = ?
            and not regexp_full_match(customer_id, '[1-9][0-9]*-[0-9K]')
            and (
                customer_id = main.normal_id(?)
                or (
                    not regexp_full_match(customer_id, '[0-9]+K?')
                    and main.valid_rut(customer_id) = main.valid_rut(?)
                )
            )
        order by customer_id
        """,
        [organization_id, text, text],
    ).fetchall()
    return tuple(customer_id for (customer_id,) in rows)


def had_scheme(connection: Connection, organization_id: str, scheme: str) -> bool:
    """Whether an organization has, or had, an id scheme: by its files and its contracts."""
    return any(
        connection.execute(
            f"select 1 from raw.{table}"  # noqa: S608 (a name of ours)
            " where organization_id = ? and customer_id_scheme = ? limit 1",
            [organization_id, scheme],
        ).fetchone()
        for table in ("intake_files", "contract_organizations")
    )


def valid_rut(connection: Connection, text: str) -> str | None:
    """Return a RUT in its form for comparison, by the function that the models made; None if it is
    no valid one.
    """
    return _ask(connection, "valid_rut", text)


def _ask(connection: Connection, function: str, text: str) -> str | None:
    answer: str | None = read_value(connection, f"select main.{function}(?)", [text])
    return answer


def spellings(connection: Connection, persons: Persons, customer_id: str) -> list[str]:
    """Return the letters, digits and blanks to which a misspelled id may be reduced.

    For a RUT: with any check digit, or without one unless that is another person's RUT. For a
    former id none if somebody's RUT may be reduced to it.
    """
    if not persons.is_rut(customer_id):
        is_like_a_rut = customer_id in persons.former and re.fullmatch("[0-9K]+", customer_id)
        return [] if is_like_a_rut else [customer_id]
    body = customer_id[:-2]
    spelled = [body + digit for digit in CHECK_DIGITS]
    is_of_another = valid_rut(connection, f"{body[:-1]}-{body[-1]}") is not None
    return spelled if is_of_another else [*spelled, body]


def pattern_of(persons: Persons) -> re.Pattern[bytes]:
    """Return a pattern that finds the persons in bytes that are not read: text, JSON or XML."""
    forms = []
    for customer_id in persons.pseudonyms:
        if persons.is_rut(customer_id):
            digits = b"[., ]?".join(digit.encode() for digit in customer_id[:-2])
            forms.append(b"0*" + digits + b"(?:[^0-9A-Za-z]{0,3}[0-9Kk])?")
        else:
            spelled = {
                unicodedata.normalize("NFC", customer_id),
                unicodedata.normalize("NFD", customer_id),
            }
            written = {each.encode() for each in spelled}
            written |= {json.dumps(each)[1:-1].encode() for each in spelled}
            written |= {html.escape(each, quote=False).encode() for each in spelled}
            written.add(customer_id.encode("cp1252", "ignore"))
            forms += [_spaced(each) for each in written if each]
    return re.compile(b"(?<![0-9A-Za-z])(?:" + b"|".join(forms) + b")(?![0-9A-Za-z])")


def _spaced(written: bytes) -> bytes:
    """Return a pattern that finds an id with blanks of any width."""
    # the bytes or characters of any Unicode blank in UTF-8, cp1252 or JSON
    return _BLANKS.join(re.escape(each) for each in written.split(b" "))
