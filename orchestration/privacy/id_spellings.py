"""Customer ids as they may be spelled in a file of an organization (R1)."""

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
    """What an operator named can be no customer of the organization; the message says which."""


class RefusedError(ToldError):
    """A person cannot be erased now; nothing has changed, and the message says why."""


@dataclass(frozen=True)
class Persons:
    """Customers of one organization.

    Args:
        organization_id: whose.
        scheme: how the organization names its customers.
        pseudonyms: by customer id.

    """

    organization_id: str
    scheme: str
    pseudonyms: Mapping[str, str]


def normalize(scheme: str, text: str, place: int) -> str:
    """A customer id as it may be: a RUT in the form that RUTs are compared in (R1)."""
    text = text.strip()
    if scheme == "rut":
        match = _RUT.fullmatch(text)
        body = match[1].replace(".", "").lstrip("0") if match else ""
        if (
            match is None
            or not 0 < len(body) <= RUT_DIGITS
            or check_digit(body) != match[2].upper()
        ):
            raise InvalidCustomerIdError(f"customer {place} is no RUT")
        return f"{body}-{match[2].upper()}"
    if not text:
        raise InvalidCustomerIdError(f"customer {place} has no id")
    return text


def normal_ids(home: Home, customer_ids: Sequence[str]) -> list[str]:
    """The ids in their normal form, by the function that the models left in the warehouse (R1).

    Raises:
        InvalidCustomerIdError: nothing of an id can be seen.
        RefusedError: nothing has been loaded, or nothing by this version.

    """
    with warehouse.connect(home) as connection:
        if not warehouse.is_built(connection):
            raise RefusedError("nothing has been loaded")
        if not connection.execute(
            "select 1 from duckdb_functions() where function_name = 'normal_id'"
        ).fetchone():
            raise RefusedError("the warehouse is of an older version: say `replay`, then erase")
        normal = []
        for place, customer_id in enumerate(customer_ids, start=1):
            row = connection.execute("select main.normal_id(?)", [customer_id]).fetchone()
            if row is None or not row[0]:
                raise InvalidCustomerIdError(f"customer {place} has no id")
            normal.append(str(row[0]))
    return normal


def check_digit(body: str) -> str:
    """The check digit of a RUT."""
    total = sum(int(digit) * (2 + place % 6) for place, digit in enumerate(reversed(body)))
    return _CHECK_DIGITS[-total % 11]


def spellings(scheme: str, customer_id: str) -> list[str]:
    """What is left of the id, where it is spelled as no id is, of letters, digits or blanks.

    Of a RUT: with any check digit, or none unless it is somebody else's RUT then.
    """
    if scheme != "rut":
        return [customer_id]
    body = customer_id[:-2]
    spelled = [body + digit for digit in _CHECK_DIGITS]
    return spelled if check_digit(body[:-1]) == body[-1] else [*spelled, body]


def pattern_of(persons: Persons) -> re.Pattern[bytes]:
    """What finds the persons in bytes that cannot be read."""
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
    """What finds an id however wide the blanks in it are."""
    # of a blank of Unicode in UTF-8, cp1252 or JSON, any byte or character
    return _BLANKS.join(re.escape(each) for each in written.split(b" "))
