"""Each way to write SQL that only one engine takes as it is meant is found, by its name (R33)."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.devtools.portability.files import find_in_compiled, find_in_sources
from orchestration.devtools.portability.rules import find_faults

FAULTS = {
    "varchar": "select cast(a as varchar) from t",
    "trim_arguments": "select ltrim(a, '0') from t",
    "null_order": "select row_number() over (partition by a order by amount desc) as b from t",
    "null_into_concat": "select concat(a, case when b then '-' end) as c from t",
    "backslash": "select replace(a, '\\d', '/') as b from t",
    "duckdb_only": "select a::date from t",
    "function": "select date_add(a, 1) as b from t",
    "computed_key": "select 1 from t inner join u on t.a = md5(java_method('x', u.a))",
    "not_parsed": "select a from t where (b",
}


@pytest.mark.parametrize("rule", FAULTS)
def test_what_the_engines_take_otherwise_is_found(rule: str) -> None:
    sql = f"-- a comment\n{FAULTS[rule]}"
    assert {(fault.rule, fault.line) for fault in find_faults(sql, "spark")} == {(rule, 2)}


@pytest.mark.parametrize(
    ("rule", "sql"),
    [
        ("trim_arguments", "select rtrim(a) from t"),
        ("trim_arguments", "select trim(a, '0') from t"),
        ("null_order", "select lag(a) over w as b from t window w as (order by c)"),
        ("null_order", "select sum(a) over (order by case when b then 1 end) as c from t"),
        ("null_order", "select lag(b) over (order by u.load_id) from t left join u on t.a = u.a"),
        (
            "null_order",
            "select lag(b) over (order by load_id) from t full outer join u on t.a = u.a",
        ),
        ("null_into_concat", "select concat(a, null) as b from t"),
        ("null_into_concat", "select concat(a, nullif(b, '')) as c from t"),
        ("null_into_concat", "select concat('x', u.b) as c from t left join u on t.a = u.a"),
        ("duckdb_only", "select a from t qualify row_number() over (order by load_id) = 1"),
        ("function", "select list_sort(a) from t"),
        ("computed_key", "select sum(a) over (partition by java_method('x', b)) as c from t"),
        ("computed_key", "select count(*) as a from t group by java_method('x', b)"),
    ],
)
def test_other_forms_of_the_same_are_found(rule: str, sql: str) -> None:
    assert {fault.rule for fault in find_faults(sql, "spark")} == {rule}


@pytest.mark.parametrize("engine", ["duckdb", "spark"])
@pytest.mark.parametrize(
    "sql",
    [
        "select trim(leading '0' from a) as b, trim(a) as c from t",
        "select row_number() over (partition by a order by amount desc nulls last) as b from t",
        "select row_number() over (order by load_id, case when a then 1 else 2 end) as b from t",
        "select lag(b) over (order by u.load_id nulls last) from t left join u on t.a = u.a",
        "select concat(a, '|', coalesce(b, ''), case when c then 'x' else '' end) as d from t",
        "select cast(a as decimal(18, 4)) as b from t where c in (1, 2) and exists (select 1)",
        "select a + interval '1' day as b from t",
    ],
)
def test_what_both_engines_take_alike_is_no_fault(sql: str, engine: str) -> None:
    assert find_faults(sql, engine) == []


def test_what_only_one_engine_knows_is_no_fault_in_what_compiles_to_it() -> None:
    alone = {
        "duckdb": "select regexp_replace(a, '\\d', '', 'g')::text as b from t",
        "spark": "select regexp_replace(a, r'\\d', '') as b, a div 10 as c from t",
    }
    assert {engine: find_faults(sql, engine) for engine, sql in alone.items()} == {
        "duckdb": [],
        "spark": [],
    }


def test_a_fault_is_named_with_the_file_in_which_it_is(tmp_path: Path) -> None:
    for build in ("first", "later"):
        (tmp_path / build).mkdir()
        (tmp_path / build / "same.sql").write_text("select 1 as a\nfrom t\nwhere b = a::date")
    (tmp_path / "later" / "other.sql").write_text("select trim(a, '0') from t")
    folders = [tmp_path / "first", tmp_path / "later"]
    found = [(path, fault.rule, fault.line) for path, fault in find_in_compiled(folders, "spark")]
    assert found == [
        (tmp_path / "first" / "same.sql", "duckdb_only", 3),
        (tmp_path / "later" / "other.sql", "trim_arguments", 1),
    ]


def test_types_in_yaml_and_models_that_ask_for_their_engine_are_found(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "_a.yml").write_text(
        "columns:\n"
        "  - {name: a, data_type: varchar, description: Not a varchar.}\n"
        "  - {name: b, data_type: string}\n"
        "  - {name: c, data_type: varchar(3)}\n"
    )
    (models / "a.sql").write_text(
        "select 1\n{% if target.type == 'spark' %}\n{%- elif adapter.x %}\n"
        "{% if is_incremental() %}\n"
    )
    assert [(path.name, fault.rule, fault.line) for path, fault in find_in_sources(tmp_path)] == [
        ("_a.yml", "varchar", 2),
        ("a.sql", "asks_for_engine", 2),
        ("a.sql", "asks_for_engine", 3),
    ]
