"""A warehouse in which the models have published something, without the models."""

from __future__ import annotations

import duckdb

LINES = ["customer_id,product_id", "19153032-2,LUZ-001"]
CONTENT = "".join(f"{line}\n" for line in LINES).encode()


def publish(connection: duckdb.DuckDBPyConnection) -> None:
    """Publish two payments files, one with a manifest, and an answer."""
    connection.execute("create schema exports")
    for load_id in (2, 3, 4):
        connection.execute(
            "insert into raw.loads values (?, '2026-03-03', '2026-03-03', '', '2026-03-03')",
            [load_id],
        )
    key = "organization_id varchar, business_date date, load_id bigint, file_name varchar"
    for model in ("exp_payments_file", "exp_intake_results", "exp_intake_summaries"):
        connection.execute(
            f"create table exports.{model} ({key}, line_number bigint, line varchar)"
        )
    connection.execute(
        f"create table exports.exp_outgoing_files ({key}, kind varchar, delivery_order int)"
    )
    connection.execute(
        f"create table exports.exp_payments_totals ({key}, status varchar, currency varchar,"
        " line_count bigint, total_amount varchar, first_event_at timestamp,"
        " last_event_at timestamp)"
    )
    connection.execute(
        """
        insert into exports.exp_outgoing_files values
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
