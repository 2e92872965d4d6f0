"""A warehouse in which the models have published something.

The tables that builds make are written by hand. The views over the delivery ledger are those of the
models: dbt compiles them once for each process.
"""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from orchestration.installation import warehouse
from orchestration.installation.dbt_project import DBT
from orchestration.installation.home import PROJECT, Home

LINES = ["customer_id,product_id", "19153032-2,LUZ-001"]
CONTENT = "".join(f"{line}\n" for line in LINES).encode()


_VIEWS = {
    "stg_deliveries__attempts": "staging",
    "int_deliveries__attempted": "intermediate",
    "deliveries": "main",
}


@cache
def compiled_views() -> tuple[str, ...]:
    """The statements that make the views over the delivery ledger, as the models have them."""
    with TemporaryDirectory() as folder:
        home = Home(Path(folder), PROJECT / "seeds")
        home.create()
        subprocess.run(
            [*DBT, "compile", "--quiet", "--select", *_VIEWS],
            cwd=PROJECT,
            env={**os.environ, **home.environment()},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        compiled = home.root / "target" / "compiled"
        return tuple(
            f"create view {schema}.{name} as {next(compiled.rglob(f'{name}.sql')).read_text()}"
            for name, schema in _VIEWS.items()
        )


def make_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the views over the delivery ledger, and empty tables of what else they read."""
    connection.execute(
        """
        create schema staging;
        create schema intermediate;
        create table marts.main.organizations as
        select unnest(['lumina', 'andes_seguros']) as organization_id;
        create table intermediate.outgoing_files (
            organization_id varchar, business_date date, load_id bigint, file_name varchar,
            kind varchar, delivery_order integer
        );
        create view intermediate.int_outgoing_files__listed as
        select
            files.*, loads.loaded_at as published_at, loads.finished_at is not null as is_finished
        from intermediate.outgoing_files as files inner join raw.loads using (load_id);
        create table intermediate.int_payments_files__totaled (
            organization_id varchar, business_date date, load_id bigint, line_count bigint,
            currency varchar, authorized_amount decimal(38, 4), reversed_amount decimal(38, 4),
            in_process_amount decimal(38, 4)
        )
        """
    )
    for statement in compiled_views():
        connection.execute(statement)


def publish(connection: duckdb.DuckDBPyConnection) -> None:
    """Publish two payments files, one with a manifest, and an answer."""
    make_views(connection)
    connection.execute("create schema exports")
    for load_id in (2, 3, 4):
        connection.execute(
            "insert into raw.loads values (?, '2026-03-03', '2026-03-03', '', '2026-03-03')",
            [load_id],
        )
    warehouse.finish_load(connection, load_id)
    key = "organization_id varchar, business_date date, load_id bigint, file_name varchar"
    for model in ("exp_payments_file", "exp_intake_results", "exp_intake_summaries"):
        connection.execute(
            f"create table exports.{model} ({key}, line_number bigint, line varchar)"
        )
    connection.execute(
        f"create table exports.exp_payments_totals ({key}, status varchar, currency varchar,"
        " line_count bigint, total_amount varchar, first_event_at timestamp,"
        " last_event_at timestamp)"
    )
    connection.execute(
        """
        insert into intermediate.outgoing_files values
        ('lumina', '2026-03-03', 3, '2026-03-03_toku_payments.json', 'payments_manifest', 2),
        ('lumina', '2026-03-03', 3, '2026-03-03_toku_payments.csv', 'payments_file', 1),
        ('andes_seguros', '2026-03-02', 2, '2026-03-02_toku_payments.csv', 'payments_file', 1),
        ('lumina', '2026-03-03', 3, '2026-03-03_toku_invoices.csv.result.csv',
            'intake_result', 3);
        insert into exports.exp_intake_results values
        ('lumina', '2026-03-03', 3, '2026-03-03_toku_invoices.csv.result.csv', 0, 'linea');
        insert into exports.exp_payments_totals values
        ('lumina', '2026-03-03', 3, '2026-03-03_toku_payments.csv', 'autorizado', 'CLP', 1,
            '1500.00', '2026-03-02 12:00', '2026-03-02 12:00');
        insert into exports.exp_payments_file values
        ('lumina', '2026-03-03', 3, '2026-03-03_toku_payments.csv', 1, '19153032-2,LUZ-001'),
        ('lumina', '2026-03-03', 3, '2026-03-03_toku_payments.csv', 0,
            'customer_id,product_id'),
        ('andes_seguros', '2026-03-02', 2, '2026-03-02_toku_payments.csv', 0,
            'customer_id,product_id')
        """
    )
