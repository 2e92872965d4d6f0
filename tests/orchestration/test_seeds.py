"""The seeds as dbt loads them: a contract says the same to the models and to Python."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

from orchestration.contracts.organizations import read_contracts
from orchestration.installation import warehouse
from orchestration.installation.home import PROJECT, Home
from tests.orchestration.building import run_dbt
from tests.orchestration.starting import lend_parse


def test_blanks_around_a_text_of_a_contract_do_not_count(home: Home, tmp_path: Path) -> None:
    seeds = shutil.copytree(PROJECT / "seeds", tmp_path / "seeds")
    contracts, defaults = seeds / "organizations.csv", seeds / "organization_defaults.csv"
    with contracts.open(encoding="utf-8", newline="") as source:
        header, *rows = csv.reader(source)
    with contracts.open("w", encoding="utf-8", newline="") as target:
        padded = [[f"\t {cell}\u00a0\u3000\n" if cell else "" for cell in row] for row in rows]
        csv.writer(target).writerows([header, *padded])
    # As an older version had it.
    former = [line.rpartition(",")[0] for line in defaults.read_text(encoding="utf-8").splitlines()]
    assert former[0].endswith("max_rejected_share")
    defaults.write_text("\n".join(former), encoding="utf-8")
    home = Home(home.root, seeds)
    lend_parse(home)
    run_dbt(home, "seed", "--quiet", "--select", "organizations", "organization_defaults")
    with warehouse.reading(home) as connection:
        loaded = connection.execute(
            "select organization_id, name, update_mode, decimal_separator"
            " from seeds.organizations order by all"
        ).fetchall()
        assert connection.execute(
            "select count(*) from seeds.organization_defaults"
        ).fetchone() == (1,)
    assert [row[:3] for row in loaded] == sorted(
        (each.organization_id, each.name, each.update_mode) for each in read_contracts(seeds)
    )
    assert {row[3] for row in loaded} <= {None, ".", ","}
