"""JSON that is kept for ever, with a checksum of what it says, so that a change is noticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from orchestration.damage import HAVE_AGAIN, DamagedError

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


def changed(path: Path) -> DamagedError:
    """What to say of a file of the landing area that is not as it was written."""
    return DamagedError(f"{path} is not as it was written: {HAVE_AGAIN}")


def _sealed(values: Mapping[str, Any]) -> dict[str, Any]:
    written = json.loads(json.dumps(values, default=_as_text))
    return {_CHECKSUM: _checksum(written), **written}


def _checksum(values: Mapping[str, Any]) -> str:
    content = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode()).hexdigest()


def _as_text(value: date) -> str:
    return value.isoformat()
