"""Ten organizations run many dates beside the daemon, with faults and killed runs on each date.

The test suite runs five dates with one killed run each; `make soak` runs a month with two.
`SALDO_SOAK_DATES`, `SALDO_SOAK_KILLS` and `SALDO_SOAK_SEED` change the dates, kills and faults.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from orchestration.installation import locking
from orchestration.reports.verifying import verify
from tests.orchestration.comparing import Told, assert_as_the_oracle_says
from tests.orchestration.histories import business_date
from tests.orchestration.oracle import Outcome, replay
from tests.orchestration.soak import EATER, Soak, read_back
from tests.orchestration.soak_faults import OTHER_FAULTS, SERVER_FAULTS
from tests.orchestration.soak_life import installed, live

DATES = int(os.environ.get("SALDO_SOAK_DATES", "5"))
KILLS_A_DATE = int(os.environ.get("SALDO_SOAK_KILLS", "1"))
SEED = int(os.environ.get("SALDO_SOAK_SEED", "1"))

Rows = Sequence[tuple[str | Decimal, ...]]
# The columns of a payments file and of an answer that the oracle can compute.
COLUMNS = {"payments.csv": ("payment_id", "amount"), ".result.csv": ("linea", "codigo")}


def test_after_each_date_tables_and_files_are_as_the_oracle_says(tmp_path: Path) -> None:
    began_at = time.monotonic()
    with installed(tmp_path, DATES, SEED) as soak:
        for day in live(soak, DATES, KILLS_A_DATE):
            with locking.exclusive(soak.home):
                sizes = _compare(soak)
                waiting = soak.find_waiting()
                assert {each for each in waiting if each[0] not in {*soak.troubled, ""}} == set()
            sys.stderr.write(f"{day}: {dict(soak.counts)} {sizes}\n")
        assert soak.find_waiting() == set()
        assert soak.counts["runs killed"] >= DATES * KILLS_A_DATE / 2
        if len(OTHER_FAULTS) <= DATES * 2:
            assert {*SERVER_FAULTS, *OTHER_FAULTS} <= set(soak.counts)
        told = {**soak.counts, **sizes, "minutes": round((time.monotonic() - began_at) / 60, 1)}
        sys.stderr.write(json.dumps(told, indent=1) + "\n")


def _compare(soak: Soak) -> dict[str, int]:
    """Compare the tables, the published copy and the organizations' files with the oracle.

    Returns:
        The numbers of debts, lines of payments files, and files.

    """
    histories, dates, instants = read_back(soak)
    outcomes = [replay(history, dates, instants) for history in histories]
    assert_as_the_oracle_says(Told(soak.home, histories, outcomes), len(dates))
    assert verify(soak.home).findings == ()
    undelivered = soak.find_undelivered()
    count = 0
    for history, said in zip(histories, outcomes, strict=True):
        organization_id = history.contract.organization_id
        expected, found = dict(_due(said[-1], soak)), _received(soak, organization_id)
        delivered = {name for name in expected if (organization_id, name) not in undelivered}
        # An earlier version of an undelivered answer may be there.
        late = {name for name in expected if name not in delivered}
        assert delivered <= set(found) <= delivered | late, organization_id
        for name in delivered:
            assert expected[name] == found[name], (organization_id, name)
        count += len(found)
    return {
        "debts": sum(len(said[-1].debts) for said in outcomes),
        "lines": sum(len(said[-1].lines) for said in outcomes),
        "files": count,
    }


def _due(outcome: Outcome, soak: Soak) -> Iterator[tuple[str, Rows]]:
    """The files that an organization must have, with the cells that the oracle can compute."""
    for number in range(1, soak.counts["dates"] + 1):
        day = business_date(number)
        lines = [line for line in outcome.lines if line.business_date == day]
        told = [(line.payment_id, line.amount) for line in lines]
        yield f"{day}_toku_payments.csv", told
        yield f"{day}_toku_payments.json", []
    newest = {each.name: each for each in sorted(outcome.verdicts)}
    for name, reference in newest.items():
        code = outcome.verdicts[reference].code
        of_rows = [(str(line), code) for line, code in outcome.refused_rows[reference]]
        yield f"{name}.result.csv", [*([("", code)] if code else []), *of_rows]
        yield f"{name}.summary.csv", []


def _received(soak: Soak, organization_id: str) -> Mapping[str, Rows]:
    """The files that an organization has, with the cells that the oracle can compute.

    The newest file of a repeated name counts. A payments file must not be repeated.
    """
    folder = soak.folder(organization_id)
    if organization_id != EATER:
        return {path.name: _rows(path, path.name) for path in (folder / "outbox").iterdir()}
    times = Counter(path.name.rpartition(".")[0] for path in (folder / "eaten").iterdir())
    assert {times[name] for name in times if re.search(r"_payments\.(csv|json)$", name)} <= {1}
    return {name: _rows(folder / "eaten" / f"{name}.{times[name] - 1}", name) for name in times}


def _rows(path: Path, name: str) -> Rows:
    columns = next((COLUMNS[end] for end in COLUMNS if name.endswith(end)), ())
    rows = csv.DictReader(io.StringIO(path.read_text("utf-8"), newline=""))
    return [tuple(_value(column, row[column]) for column in columns) for row in rows if columns]


def _value(column: str, text: str) -> str | Decimal:
    return Decimal(text) if column == "amount" else text
