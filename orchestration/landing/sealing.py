"""Detect changes in what is kept forever: bytes are named by their hash, and JSON has a checksum of
its content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from orchestration.installation.damage import HAVE_AGAIN, DamagedError
from orchestration.installation.whole_files import hash_of

_CHECKSUM = "checksum"


def seal(values: Mapping[str, Any]) -> str:
    """Return values as JSON with a checksum; dates and instants become text."""
    return json.dumps(_sealed(values), indent=1)


def seal_line(values: Mapping[str, Any]) -> str:
    """Return the same as one line, with a line end."""
    return f"{json.dumps(_sealed(values))}\n"


def unseal(text: str) -> Any:
    """Return the values in the text of seal(), or in JSON of an older version without a checksum.

    Raises:
        ValueError: the values have changed, or the text is not JSON.

    """
    values = json.loads(text)
    if isinstance(values, dict):
        checksum = values.pop(_CHECKSUM, None)
        if checksum is not None and checksum != _checksum(values):
            raise ValueError("the checksum is that of something else")
    return values


def is_sealed(path: Path) -> bool:
    """Return whether a JSON file has a checksum."""
    text = path.read_text(encoding="utf-8")
    values = json.loads(text.partition("\n")[0] if path.suffix == ".jsonl" else text)
    return isinstance(values, dict) and _CHECKSUM in values


def read_sealed(path: Path) -> Any:
    """Read the values of a file that seal() wrote.

    Raises:
        DamagedError: it has changed since it was written.

    """
    try:
        return unseal(path.read_text(encoding="utf-8"))
    except ValueError:
        raise changed(path) from None


def is_as_named(path: Path, sha256: str) -> bool:
    """Return whether a file exists and its bytes have this hash."""
    try:
        return hash_of(path) == sha256
    except FileNotFoundError:
        return False


def require_named(path: Path, sha256: str) -> None:
    """Check that a file has the bytes of a hash; reads them once.

    Raises:
        DamagedError: the file is missing or has other bytes.

    """
    if not is_as_named(path, sha256):
        raise changed(path) if path.exists() else missing(path)


def changed(path: Path) -> DamagedError:
    """Return the error for a file of the landing area that has changed."""
    return DamagedError(f"{path} is not as it was written: {HAVE_AGAIN}")


def missing(path: Path) -> DamagedError:
    """Return the error for a missing file of the landing area."""
    return DamagedError(f"{path} is missing: {HAVE_AGAIN}")


def _sealed(values: Mapping[str, Any]) -> dict[str, Any]:
    written = json.loads(json.dumps(values, default=_as_text))
    return {_CHECKSUM: _checksum(written), **written}


def _checksum(values: Mapping[str, Any]) -> str:
    content = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def _as_text(value: date) -> str:
    return value.isoformat()
