"""The demo's three days on both engines: every row of every model, seed, snapshot and export."""

from __future__ import annotations

from tests.spark.both_engines import Difference
from tests.spark.conftest import Demo

# All that dbt makes: after each day what is stored, after the last one the views, too.
STORED, ALL = 62, 114
ROWS = 6_563


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


def _difference(demo: Demo, relation: tuple[str, str]) -> Difference | int:
    return demo.engines.difference(relation)
