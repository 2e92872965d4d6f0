"""A file at which a load cannot go on, on this machine: it is named, and can be left out (R20)."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner

from orchestration.__main__ import main
from orchestration.formats import workbooks
from orchestration.formats.text_files import OutOfMemoryError, Reading, copy_rows
from orchestration.installation import warehouse
from orchestration.intake import copying, decisions, loads
from orchestration.intake.loads import UnloadableError
from orchestration.landing import manifests
from tests.orchestration.houses import Deposit, House, csv_of, xlsx_of

DEBTS = csv_of(
    [("id cliente", "producto", "vencimiento", "monto"), ("C-1", "P-1", "2026-03-31", "1000")]
)
CUSTOMERS = xlsx_of([("id cliente", "nombre"), ("C-1", "Ana")])


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Two organizations whose files have landed in one load."""
    house = House.make(tmp_path, {"agua": {}, "luz": {}})
    house.land(
        Deposit("agua", DEBTS), Deposit("luz", DEBTS), Deposit("luz", CUSTOMERS, "customers")
    )
    return house


def _files(house: House) -> list[tuple[object, ...]]:
    with warehouse.connect(house.home) as connection:
        loads.carry_landed(connection, house.home)
        return connection.execute(
            "select organization_id, kind, record_count, file_code from raw.intake_files"
            " order by all"
        ).fetchall()


def _refuse(house: House, file_id: str) -> tuple[int, str]:
    refused = CliRunner().invoke(main, ["refuse", file_id], env=house.home.environment())
    return refused.exit_code, refused.output


@pytest.mark.parametrize("kind", ["invoices", "customers"])
def test_a_file_that_takes_too_much_memory_is_named_and_the_others_go_on_without_it(
    house: House, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    (manifest,) = manifests.read_manifests(house.home)
    file = next(
        each for each in manifest.files if (each.organization_id, each.kind) == ("luz", kind)
    )

    def copy_others(connection: Any, readings: Mapping[str, Reading], *arguments: Any) -> int:
        if kind == "invoices" and file.file_id in readings:
            raise OutOfMemoryError("OutOfMemoryException")
        return copy_rows(connection, readings, *arguments)

    def run_out(_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patched:
        patched.setattr(copying, "copy_rows", copy_others)
        if kind == "customers":
            patched.setattr(workbooks.Workbook, "rows", run_out)
        for _ in range(2):
            with pytest.raises(UnloadableError) as raised:
                _files(house)
            why = "OutOfMemoryException" if kind == "invoices" else "MemoryError"
            assert str(raised.value) == (
                f"load 1 cannot go on (luz, file {file.sha256}: {why}): run again with more memory"
                " (SALDO_MEMORY_LIMIT), or leave that file out, if it was not applied before:"
                f" `python -m orchestration refuse {file.file_id}`"
            )
            assert raised.value.__suppress_context__
        said = f"{file.file_id}: refused; `python -m orchestration run` goes on without it\n"
        assert _refuse(house, file.file_id) == (0, said)
        expected = [
            (organization_id, each, 1, None)
            for organization_id, each in (
                ("agua", "invoices"),
                ("luz", "customers"),
                ("luz", "invoices"),
            )
        ]
        left_out = ("luz", kind, 0, "refused_by_operator")
        expected = [left_out if row[:2] == left_out[:2] else row for row in expected]
        assert _files(house) == expected
    # A replay leaves it out, too, on whatever machine.
    house.home.warehouse.unlink()
    house.home.marts.unlink()
    shutil.rmtree(house.home.rows)
    house.home.create()
    assert _files(house) == expected


def test_a_file_that_is_loaded_or_unknown_is_not_left_out(house: House) -> None:
    (manifest,) = manifests.read_manifests(house.home)
    file_id = manifest.files[0].file_id
    with warehouse.connect(house.home) as connection:
        assert not decisions.leave_out(connection, house.home, "0123456789abcdef")
        loads.carry_landed(connection, house.home)
        assert not decisions.leave_out(connection, house.home, file_id)
    assert list(manifests.read_manifests(house.home)) == [manifest]
    status, said = _refuse(house, file_id)
    assert status == 1
    assert "analytics.duckdb is missing" in said


@pytest.mark.parametrize(("status", "is_left_out"), [("held", True), ("applied", False)])
def test_during_a_replay_a_held_file_can_be_left_out_and_an_applied_one_cannot(
    house: House, monkeypatch: pytest.MonkeyPatch, status: str, is_left_out: bool
) -> None:
    """What an applied file made paid would be charged again (R6)."""
    (manifest,) = manifests.read_manifests(house.home)
    file_id = manifest.files[0].file_id
    with warehouse.connect(house.home), duckdb.connect(str(house.home.analytics)) as published:
        published.execute(
            "create table intake_files as select ? as file_id, ? as status", [file_id, status]
        )
    monkeypatch.setattr(warehouse, "is_built", lambda _: True)
    refused, said = _refuse(house, file_id)
    (after,) = manifests.read_manifests(house.home)
    if is_left_out:
        assert refused == 0, said
        assert said.endswith(
            f"{file_id}: refused; `python -m orchestration run` goes on without it\n"
        )
        assert after.files[0].file_code == "refused_by_operator"
        assert decisions.read_noted(house.home) == []
    else:
        assert (refused, "only held files wait" in said) == (2, True)
        assert after == manifest
