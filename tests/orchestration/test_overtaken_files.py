"""Held files that a newer one has overtaken (R8, R17): nobody is asked about them any more.

Colegio Pehuén's file of the second day is held; that of the third day is applied and overtakes it.
Then two corrections of the third day are held, and the newer one is approved.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime

import pytest

from orchestration.devtools.demo.samples import DAYS, files_of
from orchestration.intake import decisions
from tests.orchestration.installations import Installed, install

ORGANIZATION = "colegio_pehuen"
FIRST, SECOND, THIRD = DAYS


@dataclass(frozen=True)
class Operator(Installed):
    """Who types the commands."""

    def run(self, day: date) -> int:
        """Run a business date; the exit status."""
        return self.command("run", "--date", day.isoformat()).returncode

    def answer(self, day: date, kind: str) -> list[str]:
        """The lines that the organization finds in its outbox about its file of a day."""
        name = f"{day}_toku_invoices.csv.{kind}.csv"
        return (self.server_root / ORGANIZATION / "outbox" / name).read_text().splitlines()

    def correct(self, day: date, debts: int) -> None:
        """Leave a correction of a day's file that lists only the first debts."""
        (file,) = (each for each in files_of(day) if each.organization_id == ORGANIZATION)
        lines = file.content.splitlines(keepends=True)[: 1 + debts]
        path = self.server_root / ORGANIZATION / "inbox" / file.name
        path.write_bytes(b"".join(lines))

    def held(self) -> list[str]:
        """The files that wait, the oldest first."""
        return self.files("where status = 'held'")

    def files(self, condition: str) -> list[str]:
        """The ids of debts files of the organization."""
        rows = self.query(
            f"select file_id from intake_files {condition}"
            f" and organization_id = '{ORGANIZATION}' order by load_id"
        )
        return [str(file_id) for (file_id,) in rows]


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Operator]:
    """After the second day."""
    with install(tmp_path_factory.mktemp("overtaken"), Operator, days=2) as operator:
        yield operator


@pytest.fixture(scope="module")
def overtaken(operator: Operator) -> str:
    """The file of the second day, after the third."""
    (file_id,) = operator.held()
    operator.upload(THIRD)
    assert operator.run(THIRD) == 0
    return file_id


def test_the_organization_is_told_what_became_of_its_file(
    operator: Operator, overtaken: str
) -> None:
    said = dict(line.split("|") for line in operator.answer(SECOND, "summary"))
    assert said["estado"] == "superado"
    assert operator.answer(SECOND, "result") == [
        "linea|codigo|mensaje|cliente|producto|vencimiento|monto",
        "|older_than_applied|Ya se aplicó un archivo más reciente.||||",
    ]


def test_no_command_asks_about_it_or_ends_with_one_because_of_it(
    operator: Operator, overtaken: str
) -> None:
    held = operator.command("held")
    assert (held.returncode, held.stdout) == (0, "no file is held\n")
    assert operator.run(THIRD) == 0
    assert operator.run(SECOND) == 0


@pytest.mark.parametrize("verb", ["approve", "refuse"])
def test_a_word_on_it_comes_too_late_and_changes_nothing(
    operator: Operator, overtaken: str, verb: str
) -> None:
    said = operator.command(verb, overtaken)
    assert (said.returncode, said.stdout, said.stderr) == (
        1,
        "",
        f"saldo: file {overtaken} is superseded: a newer file has been applied;"
        " nothing is left to decide\n",
    )
    assert list(operator.home.decisions.iterdir()) == []


def test_a_word_that_an_earlier_one_overtakes_comes_too_late(
    operator: Operator, overtaken: str
) -> None:
    """Decisions are carried out one at a time, in the order in which they were said."""
    for debts in (16, 15):
        operator.correct(THIRD, debts)
        assert operator.run(THIRD) == 1
    older, newer = operator.held()
    decisions.decide(operator.home, newer, decisions.APPROVED, datetime.now(UTC))
    said = operator.command("refuse", older)
    assert (said.returncode, said.stderr) == (
        1,
        f"saldo: file {older} is superseded: a newer file has been applied;"
        " nothing is left to decide\n",
    )
    assert operator.files("where status = 'superseded'") == [overtaken, older]
    assert operator.files("where status = 'applied'")[-1] == newer
    assert list(operator.home.decisions.iterdir()) == []
    assert operator.command("held").returncode == 0


def test_a_replay_overtakes_the_same_files(operator: Operator, overtaken: str) -> None:
    columns = "file_id, status, code, withdrawn_count, judged_at"
    former = operator.query(f"select {columns} from intake_files order by all")
    replayed = operator.command("replay")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert operator.query(f"select {columns} from intake_files order by all") == former
