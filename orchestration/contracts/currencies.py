"""The currencies that contracts may have, and how many decimals their amounts have (R12)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cache

import yaml

from orchestration.installation.home import PROJECT

# Codes of ISO 4217 in use, without those of metals, funds and tests.
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
    """How many decimals an amount may have: those of ISO 4217, and two at least.

    Args:
        currency: a code of ISO 4217; of another text it is two.

    """
    return _more_decimals().get(currency, _LEAST_DECIMALS)


def in_form(amount: Decimal, currency: str) -> Decimal:
    """An amount, or a sum of amounts, with the decimals of its currency and no others."""
    return round(amount, decimals_of(currency))


@cache
def _more_decimals() -> Mapping[str, int]:
    """The currencies with more decimals than two, which the models read in the same place."""
    project = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    found: Mapping[str, int] = project["vars"]["decimals_of_currencies"]
    return found
