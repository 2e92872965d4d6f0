"""dbt's unit tests on Spark: the rules that they prove hold there, too."""

from __future__ import annotations

from tests.spark.conftest import Demo

# By name, with the reason.
ONLY_ON_DUCKDB = {
    "rows_are_the_same_if_their_text_and_its_meaning_are": (
        "expects the hashes of rows, which are numbers there and texts on Spark"
    ),
}


def test_every_dbt_unit_test_passes_on_spark(demo: Demo) -> None:
    spark = demo.engines.spark
    selection = ("--select", "test_type:unit", "--exclude", *ONLY_ON_DUCKDB)
    results = {
        each.node.name: str(each.status)
        for each in spark.invoke("test", *selection).results
        if each.node.resource_type == "unit_test"
    }
    names = {each.name for each in spark.manifest.unit_tests.values()}
    assert results == dict.fromkeys(names - ONLY_ON_DUCKDB.keys(), "pass")
