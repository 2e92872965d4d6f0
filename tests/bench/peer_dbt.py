"""A peer: the usual dbt way, a delete+insert incremental model and a check-strategy snapshot.

`write_project` makes the project in a folder; its models must not lie in this one, where dbt would
take them for tests.
"""

from __future__ import annotations

from pathlib import Path

FILES = {
    "dbt_project.yml": """\
name: peer
version: "1.0"
profile: peer
flags: {send_anonymous_usage_stats: false}
""",
    "profiles.yml": """\
peer:
  target: dev
  outputs:
    dev:
      type: duckdb
      path: "{{ env_var('PEER_FOLDER') }}/peer_dbt.duckdb"
      threads: 2
      settings: {memory_limit: 4GB, TimeZone: UTC}
""",
    "models/stg_debts.sql": """\
{{ config(materialized='table') }}
select
    md5(concat_ws('|', customer_id, product_id, due_date)) as debt_id,
    customer_id,
    product_id,
    cast(due_date as date) as due_date,
    cast(amount as decimal(18, 2)) as amount,
    name,
    mail,
    plan
from read_csv('{{ env_var("PEER_FILE") }}', all_varchar = true)
""",
    "models/debts.sql": """\
{{ config(
    materialized='incremental', incremental_strategy='delete+insert', unique_key='debt_id'
) }}
select * from {{ ref('stg_debts') }}
""",
    "models/schema.yml": """\
models:
  - name: debts
    columns:
      - name: debt_id
        data_tests: [unique, not_null]
""",
    "snapshots/debts_history.yml": """\
snapshots:
  - name: debts_history
    relation: ref('stg_debts')
    config:
      unique_key: debt_id
      strategy: check
      check_cols: [amount, name, mail, plan]
      hard_deletes: invalidate
""",
}


def write_project(folder: Path) -> None:
    """Write the project's files."""
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
