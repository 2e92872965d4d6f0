"""The variables that say how an installation works, checked before anything is done (R11).

Without that, DuckDB, dbt or Java would stumble over them, after files have landed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from orchestration.installation.errors import WrongUseError

# The outputs of profiles.yml that have a warehouse.
TARGETS = ("dev", "ci", "prod", "spark", "spark_connect")
_SIZE = (r"[0-9]+(\.[0-9]+)? ?([KMGT](i?B)?|B)|none|-1", "a size such as 4GB")
# What each may be, as a pattern in which letter case does not count, and in words.
_ALLOWED = {
    "SALDO_LOCK_WAIT_SECONDS": (r"[0-9]{1,9}", "a whole number from 0"),
    "SALDO_MEMORY_LIMIT": _SIZE,
    "SALDO_TEMP_LIMIT": _SIZE,
    "SALDO_SPARK_MEMORY": (r"[0-9]+[kmgt]", "a size such as 3g"),
}


class WrongVariableError(WrongUseError):
    """A variable has a value that is not allowed; the message names all of them."""


def check(environment: Mapping[str, str]) -> None:
    """Check the variables of an installation; those of servers are read where they are used.

    Args:
        environment: those that are not in it have their defaults.

    Raises:
        WrongVariableError: a value is not allowed.

    """
    problems = [
        f"{name}: {environment[name]!r} is not allowed; allowed: {words}"
        for name, (pattern, words) in _ALLOWED.items()
        if name in environment and not re.fullmatch(pattern, environment[name], re.IGNORECASE)
    ]
    target = environment.get("SALDO_TARGET", TARGETS[0])
    if target not in TARGETS:
        allowed = ", ".join(TARGETS)
        problems.append(f"SALDO_TARGET: {target!r} is not allowed; allowed: {allowed}")
    if problems:
        raise WrongVariableError("\n".join(problems))
