"""The currencies that a contract may have, and the decimals of their amounts (R12)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cache

import yaml

from orchestration.installation.home import PROJECT

# The ISO 4217 codes in use, without metals, funds and test codes.
_CODES = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD
CDF CHF CLF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD
GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT
LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR
NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP
STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UYW UZS VES VND VUV WST XAF XCD
XOF XPF YER ZAR ZMW ZWG
"""
CURRENCIES = frozenset(_CODES.split())
_LEAST_DECIMALS = 2


def decimals_of(currency: str) -> int:
    """Return how many decimals an amount may have: those of ISO 4217, at least two.

    Args:
        currency: an ISO 4217 code; any other text gives two.

    """
    return _more_decimals().get(currency, _LEAST_DECIMALS)


def in_form(amount: Decimal, currency: str) -> Decimal:
    """Round an amount, or a sum of amounts, to the decimals of its currency."""
    return round(amount, decimals_of(currency))


@cache
def _more_decimals() -> Mapping[str, int]:
    """Return the currencies with more than two decimals; the models read the same setting."""
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    found: Mapping[str, int] = project["vars"]["decimals_of_currencies"]
    return found
