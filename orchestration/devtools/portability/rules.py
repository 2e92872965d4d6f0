"""What SQL must not contain, because one of the engines refuses it or takes it otherwise (R33).

A build that succeeds proves nothing: most of these give other rows in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import Tokenizer, exp, parse
from sqlglot.dialects.dialect import Dialect
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.dialects.spark import Spark
from sqlglot.errors import SqlglotError
from sqlglot.tokenizer_core import Token, TokenType

DUCKDB = "duckdb"
SPARK = "spark"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Columns by which rows are put in order and that are null in no row of their model.
_NEVER_NULL = _words("""
    began_at business_date dbt_valid_from debt_id due_date event_number file_order load_id
    line_number occurred_at payment_id status
    """)
_BOTH_HAVE = _words("""
    cast chr coalesce concat count datediff floor greatest lag lead least length lower max md5 min
    mod nullif position replace right row_number substring sum translate trim try_cast upper
    """)
_ONE_HAS = {
    DUCKDB: _words("""
        date_diff list list_reduce list_sort md5_number nfc_normalize regexp_matches regexp_replace
        strlen strpos struct_pack timezone try_strptime
        """),
    SPARK: _words("""
        aggregate assert_true collect_list date from_utc_timestamp java_method named_struct nvl2
        octet_length regexp_replace sort_array to_utc_timestamp try_to_timestamp
        """),
}
# Words that a parenthesis may follow without a call.
_NO_CALLS = _words("""
    and as by else exists filter from in is join not on or over select table then union using
    values when where window decimal
    """)


@dataclass(frozen=True)
class Fault:
    """A place in SQL at which the engines differ.

    Args:
        rule: its name.
        line: of the text, from 1.
        message: what is wrong, and what to write instead.

    """

    rule: str
    line: int
    message: str


class _NullsSmall(Spark):
    NULL_ORDERING = "nulls_are_small"


class _NullsLarge(Spark):
    NULL_ORDERING = "nulls_are_large"


class _DuckDBNullsSmall(DuckDB):
    NULL_ORDERING = "nulls_are_small"


class _DuckDBNullsLarge(DuckDB):
    NULL_ORDERING = "nulls_are_large"


_DIALECTS: dict[str, tuple[type[Dialect], type[Dialect]]] = {
    DUCKDB: (_DuckDBNullsSmall, _DuckDBNullsLarge),
    SPARK: (_NullsSmall, _NullsLarge),
}


def find_faults(sql: str, engine: str) -> list[Fault]:
    """Find what is not the same on both engines.

    Args:
        sql: a compiled query.
        engine: for which it was compiled, `duckdb` or `spark`.

    Returns:
        The faults in the order of their lines.

    """
    small, large = _DIALECTS[engine]
    try:
        faults = list(_in_words(sql, engine, small.tokenizer_class()))
        tree, other = (parse(sql, dialect=dialect)[0] for dialect in (small, large))
    except SqlglotError as error:
        places = getattr(error, "errors", None) or [{}]
        return [Fault("not_parsed", places[0].get("line") or 1, str(error).splitlines()[0])]
    if tree is not None and other is not None:
        for rule in (_null_order, _null_into_concat, _computed_key):
            faults += rule(tree, other)
    return sorted(set(faults), key=lambda fault: (fault.line, fault.rule, fault.message))


def _in_words(sql: str, engine: str, tokenizer: Tokenizer) -> Iterator[Fault]:
    """Find what the words alone tell: types, functions, operators, literals."""
    tokens = tokenizer.tokenize(sql)
    known = _BOTH_HAVE | _ONE_HAS[engine] | _NO_CALLS
    for position, token in enumerate(tokens):
        following = tokens[position + 1] if position + 1 < len(tokens) else None
        is_call = following is not None and following.token_type == TokenType.L_PAREN
        word = token.text.lower()
        if token.token_type == TokenType.STRING:
            if engine == SPARK and "\\" in sql[token.start : token.end + 1]:
                yield Fault("backslash", token.line, "Spark takes a backslash away: write r'...'")
        elif token.token_type in (TokenType.DCOLON, TokenType.QUALIFY) and engine == SPARK:
            yield Fault("duckdb_only", token.line, f"Spark does not know `{word}`")
        elif word == "varchar" and not is_call:
            yield Fault("varchar", token.line, "a type without a length: write `string`")
        elif word in ("ltrim", "rtrim", "btrim") and is_call:
            yield Fault(
                "trim_arguments",
                token.line,
                f"`{word}` takes its arguments the other way round on Spark: write"
                " `trim(leading '0' from x)`",
            )
        elif word == "trim" and is_call and _has_comma(tokens, position + 1):
            yield Fault(
                "trim_arguments",
                token.line,
                "`trim` takes its arguments the other way round on Spark: write"
                " `trim(both '0' from x)`",
            )
        elif is_call and re.fullmatch(r"[a-z_][a-z_0-9]*", word) and word not in known:
            yield Fault(
                "function",
                token.line,
                f"`{word}` is not among the functions that are the same on both engines:"
                " give it a macro for each",
            )


def _has_comma(tokens: list[Token], opening: int) -> bool:
    """Whether a call has more than one argument."""
    depth = 0
    for token in tokens[opening:]:
        depth += {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}.get(token.token_type, 0)
        if depth == 0:
            return False
        if depth == 1 and token.token_type == TokenType.COMMA:
            return True
    return False


def _null_order(tree: exp.Expr, other: exp.Expr) -> Iterator[Fault]:
    """Nulls come last on DuckDB and first on Spark, unless the SQL says where."""
    pairs = zip(tree.find_all(exp.Ordered), other.find_all(exp.Ordered), strict=True)
    for ordered, with_large_nulls in pairs:
        is_said = ordered.args.get("nulls_first") == with_large_nulls.args.get("nulls_first")
        if not is_said and not _is_never_null(ordered.this):
            yield Fault(
                "null_order",
                _line(ordered),
                f"`{ordered.this.sql()}` may be null: write `nulls first` or `nulls last`",
            )


def _null_into_concat(tree: exp.Expr, _: exp.Expr) -> Iterator[Fault]:
    """Of a null, DuckDB's `concat` leaves out, and Spark's makes null."""
    for concat in tree.find_all(exp.Concat):
        for argument in concat.expressions:
            value = _bare(argument)
            is_null = isinstance(value, exp.Null | exp.Nullif) or (
                isinstance(value, exp.Case) and value.args.get("default") is None
            )
            if is_null or (isinstance(value, exp.Column) and _is_outer(value)):
                yield Fault(
                    "null_into_concat",
                    _line(concat),
                    f"`{value.sql()}` may be null: write coalesce(..., '')",
                )


def _computed_key(tree: exp.Expr, _: exp.Expr) -> Iterator[Fault]:
    """Spark refuses to join or group by what it takes for not deterministic: `java_method`."""
    for call in tree.find_all(exp.Anonymous):
        if call.name.lower() == "java_method":
            place = call.find_ancestor(exp.Join, exp.Group, exp.Window, exp.Select)
            if not isinstance(place, exp.Select):
                yield Fault(
                    "computed_key",
                    _line(call),
                    "an id is made normal within a join, a grouping or a window: make it a column"
                    " of a CTE before",
                )


def _is_never_null(value: exp.Expr) -> bool:
    value = _bare(value)
    if isinstance(value, exp.Column):
        return value.name.lower() in _NEVER_NULL and not _is_outer(value)
    if isinstance(value, exp.Case):
        branches = [branch.args["true"] for branch in value.args["ifs"]]
        default = value.args.get("default")
        return default is not None and all(map(_is_never_null, [*branches, default]))
    if isinstance(value, exp.Coalesce):
        return any(map(_is_never_null, [value.this, *value.expressions]))
    return isinstance(value, exp.Literal)


def _is_outer(column: exp.Column) -> bool:
    """Whether a column is of a relation of which a join may have no row."""
    select = column.find_ancestor(exp.Select)
    joins = (select.args.get("joins") or []) if select else []
    sides = {join.alias_or_name.lower(): (join.side or "").upper() for join in joins}
    if any(side == "FULL" for side in sides.values()):
        return True
    return sides.get(column.table.lower()) == "LEFT"


def _bare(value: exp.Expr) -> exp.Expr:
    """What a cast or a parenthesis is around."""
    while isinstance(value, exp.Cast | exp.Paren):
        value = value.this
    return value


def _line(node: exp.Expr) -> int:
    """The line of the first name within a node."""
    for each in node.find_all(exp.Identifier, exp.Anonymous):
        if "line" in each.meta:
            return int(each.meta["line"])
    return 1
