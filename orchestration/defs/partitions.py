"""Shared by all assets: partitions by business date, one run each, and their owner."""

import dagster as dg

from orchestration.contracts.organizations import FIRST_DATE, TIME_ZONE

# The last partition is today, because its files come in the morning.
business_dates = dg.DailyPartitionsDefinition(
    start_date=FIRST_DATE.isoformat(), timezone=TIME_ZONE.key, end_offset=1
)

one_date_a_run = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)

owners = ["team:data-engineering"]
