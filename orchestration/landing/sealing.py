"""What is kept for ever tells whether it is as it was written: bytes by the hash that names them,
JSON by a checksum of what it says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from orchestration.installation.damage import HAVE_AGAIN, DamagedError

_CHECKSUM = "checksum"


def seal(values: Mapping[str, Any]) -> str:
    """Values as JSON, with their checksum; dates and instants become text."""
    return json.dumps(_sealed(values), indent=1)


def seal_line(values: Mapping[str, Any]) -> str:
    """The same as a line of its own, with its end."""
    return f"{json.dumps(_sealed(values))}\n"


def unseal(text: str) -> Any:
    """The values of what seal() wrote, or of JSON that an older version wrote without a checksum.

    Raises:
        ValueError: they have changed, or are no JSON.

    """
    values = json.loads(text)
    if isinstance(values, dict):
        checksum = values.pop(_CHECKSUM, None)
        if checksum is not None and checksum != _checksum(values):
            raise ValueError("the checksum is that of something else")
    return values


def is_sealed(path: Path) -> bool:
    """Whether a file of JSON has a checksum."""
    text = path.read_text(encoding="utf-8")
    values = json.loads(text.partition("\n")[0] if path.suffix == ".jsonl" else text)
    return isinstance(values, dict) and _CHECKSUM in values


def read_sealed(path: Path) -> Any:
    """The values of a file that seal() wrote.

    Raises:
        DamagedError: it is not as it was written.

    """
    try:
        return unseal(path.read_text(encoding="utf-8"))
    except ValueError:
        raise changed(path) from None


def is_as_named(path: Path, sha256: str) -> bool:
    """Whether a file is there and has the bytes that a hash names."""
    try:
        with path.open("rb") as content:
            return hashlib.file_digest(content, "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False


def require_named(path: Path, sha256: str) -> None:
    """Make sure that a file has the bytes that a hash names; this reads them once.

    Raises:
        DamagedError: it is missing or has others.

    """
    if not is_as_named(path, sha256):
        raise changed(path) if path.exists() else missing(path)


def changed(path: Path) -> DamagedError:
    """What to say of a file of the landing area that is not as it was written."""
    return DamagedError(f"{path} is not as it was written: {HAVE_AGAIN}")


def missing(path: Path) -> DamagedError:
    """What to say of a file of the landing area that is not there."""
    return DamagedError(f"{path} is missing: {HAVE_AGAIN}")


def _sealed(values: Mapping[str, Any]) -> dict[str, Any]:
    written = json.loads(json.dumps(values, default=_as_text))
    return {_CHECKSUM: _checksum(written), **written}


def _checksum(values: Mapping[str, Any]) -> str:
    content = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def _as_text(value: date) -> str:
    return value.isoformat()
