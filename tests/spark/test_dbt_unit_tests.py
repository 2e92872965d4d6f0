"""dbt's unit tests on Spark: the rules that they prove hold there, too."""

from __future__ import annotations

import pytest

from tests.spark.conftest import Demo
from tests.spark.spark_engine import BuildError

# By name, with the reason.
ONLY_ON_DUCKDB = {
    "rows_are_the_same_if_their_text_and_its_meaning_are": (
        "expects the hashes of rows, which are numbers there and texts on Spark"
    ),
}
_ORDER_OF_PARTS = "each_part_of_a_payment_has_its_line_in_the_order_of_its_debt"


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


def test_a_null_that_spark_sorts_otherwise_is_seen(demo: Demo) -> None:
    """A part without a product comes last: where the model does not say so, on Spark first."""
    spark = demo.engines.spark
    order = "payments.product_order asc nulls last"
    with (
        spark.changed_model("payments_file_lines", order, order.removesuffix(" nulls last")),
        pytest.raises(BuildError, match=_ORDER_OF_PARTS),
    ):
        spark.invoke("test", "--select", _ORDER_OF_PARTS)
