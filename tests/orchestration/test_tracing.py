"""An error that nobody foresaw is told in a line; the log of the run has where it happened."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from orchestration.installation.tracing import WHERE, trace
from orchestration.intake import inbox
from tests.orchestration.houses import House
from tests.orchestration.looking import look_into

SECRET = "ana@correo.cl"


def test_the_traceback_of_an_error_and_of_its_causes_is_written_without_their_texts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise LookupError(SECRET) from error

    with pytest.raises(LookupError) as raised:
        fail()
    assert trace(raised.value) == f"LookupError: {WHERE}"
    log = capsys.readouterr().err
    assert SECRET not in log
    first, later = log.split("and then\n")
    assert first.endswith("    raise KeyError(SECRET)\nKeyError\n")
    assert later.endswith("    raise LookupError(SECRET) from error\nLookupError\n")
    assert " in fail\n" in first


def test_an_inbox_that_fails_as_nobody_foresaw_says_where_the_traceback_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    house = House.make(tmp_path, {"agua": {}})

    def fail(*_: object, **__: object) -> None:
        raise LookupError(SECRET)

    monkeypatch.setattr(inbox, "connect", fail)
    agua = house.organizations["agua"]
    looked, files = look_into(house.home, agua, {}, date(2026, 3, 1), {})
    assert (looked.outcome, looked.detail, files) == ("failed", f"LookupError: {WHERE}", [])
    log = capsys.readouterr().err
    assert log.endswith("    raise LookupError(SECRET)\nLookupError\n")
    assert SECRET not in log
