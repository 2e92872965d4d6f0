"""What macros say on Spark of texts as no sample has them, and when they stop a build."""

from __future__ import annotations

import time
from datetime import date
from pathlib import Path

import duckdb
import pytest

from orchestration.installation import lending, warehouse
from orchestration.installation.home import PROJECT, Home
from tests.spark import settings
from tests.spark.spark_engine import BuildError, SparkEngine

# A quote that is not closed makes such a cell. What looks at each character for each takes minutes.
LONG = 300_000
_PATIENCE_SECONDS = 60
LOADED_AT = "2026-03-02 10:00:00"


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> SparkEngine:
    """The tables of `raw`, which are empty."""
    return SparkEngine.of(tmp_path_factory.mktemp("macros") / "spark", PROJECT / "seeds")


def test_a_session_is_set_as_the_profile_says_whatever_it_was_before(spark: SparkEngine) -> None:
    for name, other in settings.OTHERS.items():
        spark.session.conf.set(name, other)
    spark.invoke("run-operation", "create_raw_tables")
    wanted = settings.of_each_session(spark.home)
    assert {name: spark.session.conf.get(name) for name in wanted} == wanted


# By form: texts, and the dates that they are.
DATES = {
    "YYYY-MM-DD": {"2026-03-05": date(2026, 3, 5), "2026-02-30": None, "2026-3-5\t\t": None},
    "DD-MM-YYYY": {"05-03-2026": date(2026, 3, 5), "5-03-2026\t": None, "32-03-2026": None},
    "DD/MM/YYYY": {"05/03/2026": date(2026, 3, 5), "1/03/2026\t": None, "5/003/2026": None},
    "YYYYMMDD": {"20260305": date(2026, 3, 5), "2026305\n": None, "20261305": None},
}


def _ask(spark: SparkEngine, expression: str, text: str) -> object:
    """What SQL with macros says of a text, which is SQL as well."""
    compiled = spark.invoke("compile", "--inline", f"select {expression} as said from texts")
    spark.session.sql(f"select {text} as text").createOrReplaceTempView("texts")
    ((said,),) = spark.session.sql(compiled.results[0].node.compiled_code).collect()
    return said


@pytest.mark.parametrize(
    ("expression", "text", "said"),
    [
        ("{{ is_plain_id('text') }}", "concat(repeat('a b', {long}), 'c')", True),
        ("length({{ spell_id('text') }})", "repeat('a b', {long})", 3 * LONG),
        ("length({{ spell_id('text') }})", "concat('ñ', repeat(' ', {long}), 'ñ ')", LONG + 2),
        ("length({{ strip('text') }})", "concat(' a', repeat(' ', {long}), 'a ')", LONG + 2),
        ("length({{ normal_id('text') }})", "concat('ñ', repeat(' ñ', {long}))", 2 * LONG + 1),
        ("{{ find_mangled_code('text') }}", "repeat('1', {long})", None),
        (
            "{{ find_mangled_code('text') }}",
            "concat('1,5', repeat('0', {long}), 'E+3')",
            "inexact_id",
        ),
        ("{{ find_mangled_code('text') }}", "concat(repeat('1', {long}), '.0')", "inexact_id"),
        ("{{ find_mangled_code('text') }}", "concat(repeat('.0', {long}), ' a')", None),
        ("{{ normalize_rut('text') }}", "'8516684.0'", None),
        ("{{ is_missing_id('text') }}", "'<NA>'", True),
        ("{{ is_missing_id('text') }}", "cast(null as string)", True),
        ("{{ looks_negative('text') }}", "concat('1', repeat('-', {long}), '1')", False),
        ("{{ looks_negative('text') }}", "concat('1', repeat(' .', {long}), '-')", False),
        ("{{ looks_negative('text') }}", "concat('1', repeat(' a', {long}), ' -')", True),
        ("{{ looks_negative('text') }}", "concat('(', repeat('1', {long}))", False),
        ("{{ looks_negative('text') }}", "concat(repeat('-', {long}), '1')", True),
        ("{{ parse_amount('text', \"'.'\", \"'CLP'\") }}", "repeat('1', {long})", None),
        (
            "{{ parse_amount('text', \"'.'\", \"'CLP'\") }}",
            "concat('1', repeat(',111', {long} div 10))",
            None,
        ),
    ],
)
def test_a_long_text_is_read_at_once(
    spark: SparkEngine, expression: str, text: str, said: object
) -> None:
    asked_at = time.monotonic()
    assert _ask(spark, expression, text.format(long=LONG)) == said
    assert time.monotonic() < asked_at + _PATIENCE_SECONDS


def test_a_date_has_each_digit_of_its_form(spark: SparkEngine) -> None:
    for form, texts in DATES.items():
        for text, expected in texts.items():
            said = _ask(spark, f"{{{{ parse_date('text', \"'{form}'\") }}}}", repr(text))
            assert said == expected, (form, text)


@pytest.mark.parametrize(
    ("lent", "former", "is_built_upon"),
    [
        ((1, 2), (1,), True),
        ((1, 2), (1, 2), True),
        ((1,), (), True),
        ((1, 2), (), False),
        ((1,), (1, 2), False),
        ((1, 2), (1, 2, 3), False),
        # The newest load is of another life: of another time.
        ((1, 2), (1, -2), False),
    ],
)
def test_upon_tables_with_other_loads_than_the_warehouse_nothing_is_built(
    spark: SparkEngine,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    lent: tuple[int, ...],
    former: tuple[int, ...],
    *,
    is_built_upon: bool,
) -> None:
    """Payments that only one of them has would be lost, or told twice."""
    with duckdb.connect() as connection:
        rows = ", ".join(f"({load}, timestamptz '{LOADED_AT}+00')" for load in lent)
        connection.execute(
            f"copy (from (values {rows}) as loads (load_id, loaded_at))"
            f" to '{tmp_path / 'loads.parquet'}' (format parquet)"
        )
    spark.session.sql("delete from raw.loads")
    for load in former:
        loaded_at = LOADED_AT if load > 0 else "2026-03-03 10:00:00"
        spark.session.sql(
            "insert into raw.loads (load_id, loaded_at, business_date, contracts)"
            f" values ({abs(load)}, timestamp '{loaded_at}', date '2026-03-02', 'x')"
        )
    monkeypatch.setenv("SALDO_SPARK_LENT", str(tmp_path))
    check = ("run-operation", "require_former_loads", "--args", f"{{load_id: {max(lent)}}}")
    if is_built_upon:
        spark.invoke(*check)
    else:
        with pytest.raises(BuildError, match="require_former_loads"):
            spark.invoke(*check)
        assert "have not the loads of this warehouse" in capfd.readouterr().out


@pytest.fixture
def lent(spark: SparkEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with what a warehouse lends after its first load, which Spark has not taken."""
    home = Home(tmp_path / "home", PROJECT / "seeds")
    home.create()
    folder = tmp_path / "lent"
    folder.mkdir()
    with warehouse.connect(home) as connection:
        connection.execute(
            "insert into raw.loads (load_id, loaded_at, business_date, contracts)"
            f" values (1, '{LOADED_AT}', '2026-03-02', 'x')"
        )
        connection.execute(
            "insert into raw.contract_organizations"
            " (contracts, organization_id, country, time_zone, customer_id_scheme)"
            " values ('x', 'lumina', 'CL', 'America/Santiago', 'rut')"
        )
        lending.lend(connection, folder, 1)
    spark.session.sql("delete from raw.loads")
    monkeypatch.setenv("SALDO_SPARK_LENT", str(folder))
    return folder


def test_a_row_that_was_lent_and_not_taken_stops_a_build(
    spark: SparkEngine, lent: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    spark.invoke("run-operation", "take_what_was_lent")
    assert spark.session.table("raw.loads").count() == 1
    counts = lent / "counts.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select table_name, row_count + (table_name = 'loads')::int as row_count"
            f" from '{counts}') to '{counts}' (format parquet)"
        )
    with pytest.raises(BuildError, match="take_what_was_lent"):
        spark.invoke("run-operation", "take_what_was_lent")
    assert "Spark has taken 1 rows of raw.loads, and was lent 2: run again" in (
        capfd.readouterr().out
    )


@pytest.mark.parametrize(
    ("time_zone", "hours"), [("America/Nowhere", 0), ("America/Santiago", 1), ("EST", 0)]
)
def test_a_time_zone_of_which_java_has_not_the_local_time_stops_a_build_before_it_takes_anything(
    spark: SparkEngine, lent: Path, capfd: pytest.CaptureFixture[str], time_zone: str, hours: int
) -> None:
    """The local times of Santiago stand for those that DuckDB has for each of them."""
    time_zones = lent / "time_zones.parquet"
    with duckdb.connect() as connection:
        connection.execute(
            f"copy (select '{time_zone}' as time_zone, instant,"
            f" local_time + interval {hours} hour as local_time from '{time_zones}')"
            f" to '{time_zones}' (format parquet)"
        )
    with pytest.raises(BuildError, match="take_what_was_lent"):
        spark.invoke("run-operation", "take_what_was_lent")
    said = capfd.readouterr().out
    assert f"Java has other local times than DuckDB in {time_zone}: update Java" in said
    assert spark.session.table("raw.loads").count() == 0
