"""The ways in which a customer id may be spelled in an organization's files (R1)."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestration.installation import warehouse
from orchestration.installation.errors import ToldError, WrongUseError
from orchestration.installation.home import Home

_RUT = re.compile(r" *([0-9][0-9.]{0,11}) ?-? ?([0-9kK]) *")
_BLANKS = rb"(?:[\s\x80-\xff]|\\u[0-9a-f]{4}|\\t){1,12}"
_CHECK_DIGITS = "0123456789K"
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


def normalize(scheme: str, text: str, place: int) -> str:
    """Validate a customer id and return it; a RUT in its form for comparison (R1)."""
    text = text.strip()
    if scheme == "rut":
        match = _RUT.fullmatch(text)
        body = match[1].replace(".", "").lstrip("0") if match else ""
        if (
            match is None
            or not 0 < len(body) <= RUT_DIGITS
            or check_digit(body) != match[2].upper()
        ):
            raise InvalidCustomerIdError(
                f"customer {place} is no RUT: say it with its check digit, such as 12345678-5"
            )
        return f"{body}-{match[2].upper()}"
    if not text:
        raise InvalidCustomerIdError(f"customer {place} has no id: say one")
    return text


def normal_ids(home: Home, customer_ids: Sequence[str]) -> list[str]:
    """Return the normal forms of ids, with the function that the models made in the warehouse (R1).

    Raises:
        InvalidCustomerIdError: an id has no visible character.
        RefusedError: nothing has been loaded, or nothing by this version.

    """
    with warehouse.connect(home) as connection:
        if not warehouse.is_built(connection):
            raise RefusedError("nothing has been loaded: run, then erase")
        if not connection.execute(
            "select 1 from duckdb_functions() where function_name = 'normal_id'"
        ).fetchone():
            raise RefusedError("the warehouse is of an older version: say `replay`, then erase")
        normal = []
        for place, customer_id in enumerate(customer_ids, start=1):
            row = connection.execute("select main.normal_id(?)", [customer_id]).fetchone()
            if row is None or not row[0]:
                raise InvalidCustomerIdError(f"customer {place} has no id: say one")
            normal.append(str(row[0]))
    return normal


def check_digit(body: str) -> str:
    """Compute the check digit of a RUT."""
    total = sum(int(digit) * (2 + place % 6) for place, digit in enumerate(reversed(body)))
    return _CHECK_DIGITS[-total % 11]


def spellings(scheme: str, customer_id: str) -> list[str]:
    """Return the letters, digits and blanks to which a misspelled id may be reduced.

    For a RUT: with any check digit, or without one unless that is another person's RUT.
    """
    if scheme != "rut":
        return [customer_id]
    body = customer_id[:-2]
    spelled = [body + digit for digit in _CHECK_DIGITS]
    return spelled if check_digit(body[:-1]) == body[-1] else [*spelled, body]


def pattern_of(persons: Persons) -> re.Pattern[bytes]:
    """Return a pattern that finds the persons in bytes that cannot be read."""
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
            written.add(customer_id.encode("cp1252", "ignore"))
            forms += [_spaced(each) for each in written if each]
    return re.compile(b"(?<![0-9A-Za-z])(?:" + b"|".join(forms) + b")(?![0-9A-Za-z])")


def _spaced(written: bytes) -> bytes:
    """Return a pattern that finds an id with blanks of any width."""
    # the bytes or characters of any Unicode blank in UTF-8, cp1252 or JSON
    return _BLANKS.join(re.escape(each) for each in written.split(b" "))
