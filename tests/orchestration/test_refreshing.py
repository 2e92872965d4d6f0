"""`verify` builds everything once more beside the warehouse, and looks at every row.

What was altered where no load looks any more is found by it alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.defs.jobs import verification
from orchestration.delivery import published_copy
from orchestration.installation import locking, warehouse
from orchestration.installation.home import Home
from orchestration.reports import refreshing, run_alerts, verifying
from tests.orchestration.building import run_dbt
from tests.orchestration.installations import Installed, install
from tests.orchestration.starting import copy_home, lend_parse

# Of a debt that had its second version before the newest load.
_OVERLAP = """
update marts.main.debts_history set dbt_valid_to = dbt_valid_to + interval 1 hour
where (debt_id, dbt_valid_from) in (
    select debt_id, min(dbt_valid_from)
    from marts.main.debts_history
    group by debt_id
    having
        count(*) = 2
        and max(dbt_valid_from) < (select max(loaded_at) from raw.loads)
    order by debt_id
    limit 1
)
"""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    with install(tmp_path_factory.mktemp("whole"), Installed, days=3) as installed:
        yield installed


def test_where_all_is_as_what_landed_makes_it_nothing_is_found_and_nothing_changes(
    whole: Installed,
) -> None:
    """A contract that was edited since the newest load is not what it was built with."""
    paths = (whole.home.warehouse, whole.home.marts, whole.home.analytics)
    contracts = whole.home.seeds / "organizations.csv"
    contracts.write_text(contracts.read_text(encoding="utf-8").replace("Lumina", "Luminaria"))
    before = [path.read_bytes() for path in paths]
    verified = whole.command("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert verified.stdout == "3 loads landed: nothing is damaged\n"
    assert [path.read_bytes() for path in paths] == before
    assert {path.name for path in whole.home.verifying.root.iterdir()} == {"run.lock"}


def test_what_was_altered_where_no_load_looks_any_more_is_found(
    whole: Installed, tmp_path: Path
) -> None:
    home = copy_home(whole.home, tmp_path / "home")
    altered = dataclasses.replace(
        whole, home=home, environment={**whole.environment, **home.environment()}
    )
    with warehouse.connect(home) as connection:
        connection.execute("begin")
        one = connection.execute(
            "update marts.main.debts set amount = amount + 1"
            " where debt_id = (select min(debt_id) from marts.main.debts where is_in_base)"
        ).fetchone()
        two = connection.execute(_OVERLAP).fetchone()
        connection.execute("commit")
        assert (one, two) == ((1,), (1,))
    with warehouse.connect(home) as connection:
        published_copy.publish(connection, home)
    quick = altered.command("verify", "--quick")
    assert quick.returncode == 0, quick.stdout + quick.stderr
    run_dbt(home, "test", "--quiet", "--select", "no_two_versions_of_a_debt_overlap")

    verified = altered.command("verify", COLUMNS="1000")
    assert verified.returncode == 1, verified.stderr
    count = len(whole.query("select 1 from debts"))
    lines = verified.stdout.splitlines()
    assert lines == [
        *(
            f"{table} is not what all that landed gives: {rows} rows, and {rows} when rebuilt"
            for table, rows in (
                ("intermediate.int_balances__moved", 9),
                ("marts.daily_balance", 9),
                ("marts.debts", count),
            )
        ),
        f"compare with {home.verifying.root}; `python -m orchestration replay` rebuilds the"
        " warehouse",
        *(
            f"the test {name} over all rows: Got 1 result, configured to fail if != 0"
            for name in ("each_day_of_the_base_balances", "no_two_versions_of_a_debt_overlap")
        ),
    ]


def test_the_home_is_free_while_the_copy_is_built(
    whole: Installed, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[bool] = []

    def look(copy: Home) -> Iterator[str]:
        held.extend(locking.holder(each) is not None for each in (whole.home, copy))
        assert {path.name for path in (copy.warehouse, copy.marts) if path.exists()} == {
            "warehouse.duckdb",
            "marts.duckdb",
        }
        yield "found"

    monkeypatch.setattr(refreshing, "find_differences", look)
    assert verifying.verify_whole(whole.home).findings == ("found",)
    assert held == [False, True]
    assert (whole.home.verifying.root / "marts.duckdb").exists()


def test_a_model_that_cannot_be_built_is_told(
    whole: Installed, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home = copy_home(whole.home, tmp_path / "home")

    def build_something_else() -> None:
        with refreshing.beside(home) as copy:
            lend_parse(copy)
            refreshing.copy_warehouse(home, copy)
            with warehouse.connect(copy) as connection:
                connection.execute("alter table raw.payment_events rename column status to other")
            list(refreshing.find_differences(copy))

    with pytest.raises(refreshing.NotRefreshedError, match="could not be built once more"):
        build_something_else()
    assert "status" in capsys.readouterr().err
    assert {path.name for path in home.verifying.root.iterdir()} == {"run.lock"}


def test_nobody_verifies_erases_or_replays_beside_a_verification(whole: Installed) -> None:
    held = f"saldo: {whole.home.verifying.root} is held by process "
    with locking.exclusive(whole.home.verifying):
        for verb in (("verify",), ("erase", "lumina", "16847293-2"), ("replay",)):
            ran = whole.command(*verb, SALDO_LOCK_WAIT_SECONDS="0")
            assert (ran.returncode, ran.stdout) == (1, "")
            assert ran.stderr.startswith(held)


@pytest.mark.parametrize(
    ("verified", "said"),
    [
        (verifying.Verified(("one", "two"), ("three",), 3, True), "one; two"),
        (verifying.Verified((), ("loads wait",), 3, False), "loads wait"),
    ],
)
def test_a_verification_that_finds_something_or_does_not_look_fails(
    verified: verifying.Verified, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifying, "verify_whole", lambda _: verified)
    ran = verification.execute_in_process(raise_on_error=False)
    assert not ran.success
    (failed,) = (event for event in ran.all_events if event.is_step_failure)
    assert run_alerts.describe_error(failed) == said
