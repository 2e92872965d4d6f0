"""The ways in which a customer id may be spelled in an organization's files (R1)."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestration.installation import warehouse
from orchestration.installation.databases import Connection
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

    """

    organization_id: str
    scheme: str
    pseudonyms: Mapping[str, str]


def normal_ids(home: Home, scheme: str, texts: Sequence[str]) -> list[str]:
    """Return ids in their form for comparison, with the functions that the models made (R1).

    Args:
        home: the installation.
        scheme: how the organization names its customers.
        texts: the ids as an operator wrote them.

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
        normal = []
        for place, text in enumerate(texts, start=1):
            known = _ask(connection, "valid_rut" if scheme == "rut" else "normal_id", text)
            if not known:
                what = (
                    "is no RUT: say it with its check digit, such as 12345678-5"
                    if scheme == "rut"
                    else "has no id: say one"
                )
                raise InvalidCustomerIdError(f"customer {place} {what}")
            normal.append(known)
    return normal


def is_valid_rut(connection: Connection, rut: str) -> bool:
    """Whether a RUT has the right check digit, by the function that the models made."""
    return _ask(connection, "valid_rut", rut) is not None


def _ask(connection: Connection, function: str, text: str) -> str | None:
    row = connection.execute(f"select main.{function}(?)", [text]).fetchone()
    return None if row is None or row[0] is None else str(row[0])


def spellings(connection: Connection, scheme: str, customer_id: str) -> list[str]:
    """Return the letters, digits and blanks to which a misspelled id may be reduced.

    For a RUT: with any check digit, or without one unless that is another person's RUT.
    """
    if scheme != "rut":
        return [customer_id]
    body = customer_id[:-2]
    spelled = [body + digit for digit in CHECK_DIGITS]
    is_of_another = is_valid_rut(connection, f"{body[:-1]}-{body[-1]}")
    return spelled if is_of_another else [*spelled, body]


def pattern_of(persons: Persons) -> re.Pattern[bytes]:
    """Return a pattern that finds the persons in bytes that are not read: text, JSON or XML."""
    forms = []
    for customer_id in persons.pseudonyms:
        if persons.scheme == "rut":
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
