"""The demo's three days on both engines: every row of every model, seed, snapshot and export."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestration.installation.dbt_project import DBT, project_folder
from tests.spark.both_engines import Difference
from tests.spark.commands import in_a_group, kill, wait_for
from tests.spark.conftest import Demo, Table, tables
from tests.spark.spark_engine import BuildError, Stored

# All that dbt makes: after each day what is stored, after the last one the views, too.
STORED, ALL = 63, 115
ROWS = 6_563
_ORDER_OF_PARTS = "each_part_of_a_payment_has_its_line_in_the_order_of_its_debt"


def test_each_day_of_the_demo_is_the_same_on_both_engines(demo: Demo) -> None:
    assert [each.relations for each in demo.compared] == [STORED, STORED, ALL]
    assert demo.compared[-1].rows == ROWS


def test_a_macro_that_spark_takes_otherwise_is_seen(demo: Demo) -> None:
    """`ltrim(x, '0')` of Spark removes the characters of x from '0'."""
    read = ("staging", "stg_intake__invoices")
    spark = demo.engines.spark
    assert isinstance(_difference(demo, read), int)
    with demo.engines.hashes_of_duckdb():
        with spark.changed_macro(
            "normalize_rut",
            "trim(leading '0' from substring({{ plain }}, 1, length({{ plain }}) - 1))",
            "ltrim(substring({{ plain }}, 1, length({{ plain }}) - 1), '0')",
        ):
            spark.invoke("run", "--select", read[1])
            assert isinstance(_difference(demo, read), Difference)
        spark.invoke("run", "--select", read[1])
    assert isinstance(_difference(demo, read), int)


def test_a_null_that_spark_sorts_otherwise_is_seen(demo: Demo) -> None:
    """A part without a product comes last: where the model does not say so, on Spark first."""
    spark = demo.engines.spark
    order = "payments.product_order asc nulls last"
    with (
        spark.changed_model("payments_file_lines", order, order.removesuffix(" nulls last")),
        pytest.raises(BuildError, match=_ORDER_OF_PARTS),
    ):
        spark.invoke("test", "--select", _ORDER_OF_PARTS)


def test_a_row_that_is_there_twice_is_seen(demo: Demo) -> None:
    seed = ("seeds", "payment_channels")
    table = ".".join(seed)
    demo.engines.spark.session.sql(f"insert into {table} select * from {table} limit 1")
    assert isinstance(_difference(demo, seed), Difference)
    demo.engines.spark.invoke("seed", "--full-refresh", "--select", seed[1])
    assert isinstance(_difference(demo, seed), int)


def test_dbt_spark_still_writes_an_empty_cell_as_a_text(demo: Demo) -> None:
    """Once it does not, `spark__load_csv_rows` is not needed."""
    seed = ("seeds", "organizations")
    spark = demo.engines.spark
    with spark.as_dbt_spark_has("spark__load_csv_rows"):
        spark.invoke("seed", "--full-refresh", "--select", seed[1])
    difference = _difference(demo, seed)
    assert isinstance(difference, Difference)
    assert "'None'" in str(difference)
    spark.invoke("seed", "--full-refresh", "--select", seed[1])
    assert isinstance(_difference(demo, seed), int)


def test_the_hook_of_a_build_has_tidied_each_table(demo: Demo) -> None:
    """After the second day. Its rows were compared then, and upon them the third day was built."""
    _, tidied, latter = demo.stored
    _assert_tidy(demo, tidied)
    with pytest.raises(AssertionError):
        _assert_tidy(demo, latter)


def test_a_build_that_is_killed_while_it_tidies_loses_no_row_and_the_next_one_tidies(
    demo: Demo, tmp_path: Path
) -> None:
    engines = demo.engines
    spark = engines.spark
    lent = engines.duckdb.home.scratch / "lent_to_spark"
    one_model = ("run", "--select", "int_intake_files__judged")
    each_load = ("--vars", "{loads_between_tidyings: 1}")
    with spark.lent(lent):
        command = (*DBT, *one_model, *each_load, "--target", "spark", "--log-path", str(tmp_path))
        variables = {**spark.home.environment(), "DBT_LOG_LEVEL_FILE": "debug"}
        with in_a_group(command, project_folder(spark.home), variables) as running:
            wait_for(running, tmp_path / "dbt.log", "rewrite_data_files(table => 'main.debts'")
            kill(running)
    engines.compare(with_views=False)
    assert spark.stored("raw", "intake_files").snapshots == 1
    assert spark.stored("main", "debts").snapshots > 1
    left = _left_four_days_ago(spark.home.spark / "tables" / "main" / "debts" / "data")

    with spark.lent(lent):
        spark.invoke(*one_model, *each_load)

    _assert_tidy(demo, {table: spark.stored(*table) for table in tables(engines)})
    assert not left.exists()
    engines.compare(with_views=False)


def _assert_tidy(demo: Demo, stored: Mapping[Table, Stored]) -> None:
    """One state of each table, and one file with its rows where builds add some to them."""
    # That a load was finished is noted after its build.
    states = {table: each.snapshots for table, each in stored.items() if table != ("raw", "loads")}
    assert not {table: count for table, count in states.items() if count > 1}
    assert not [table for table, each in stored.items() if each.delete_files]
    added_to = {
        (node.schema, node.alias)
        for node in demo.engines.spark.manifest.nodes.values()
        if node.config.materialized in ("incremental", "snapshot")
    }
    assert added_to < stored.keys()
    assert not [table for table in added_to if stored[table].data_files > 1]


def _left_four_days_ago(folder: Path) -> Path:
    """A file that nothing names, as a killed run leaves it."""
    left = folder / "left.parquet"
    left.touch()
    then = time.time() - 4 * 24 * 60 * 60
    os.utime(left, (then, then))
    return left


def _difference(demo: Demo, relation: tuple[str, str]) -> Difference | int:
    return demo.engines.difference(relation)
