"""The loads: what each took, what became of it, and whether what it settled is delivered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from orchestration.pages.published import Reader

MOST_LOADS = 50

_LISTED = f"""
with listed as (
    select *
    from loads
    where load_id = coalesce($load_id, load_id)
    order by load_id desc
    limit {MOST_LOADS}
),

sent as (
    select
        deliveries.load_id,
        count(*) as file_count,
        count(case when deliveries.is_delivered then 1 end) as delivered_count
    from deliveries
    inner join listed on deliveries.load_id = listed.load_id
    where deliveries.is_delivered or deliveries.is_undelivered
    group by deliveries.load_id
)

select
    listed.load_id,
    listed.business_date,
    listed.loaded_at,
    listed.inbox_count,
    listed.unread_inbox_count,
    listed.file_count,
    listed.applied_file_count,
    listed.held_file_count,
    listed.refused_file_count,
    listed.idle_file_count,
    listed.decision_count,
    listed.event_line_count,
    coalesce(sent.file_count, 0),
    coalesce(sent.delivered_count, 0)
from listed
left join sent on listed.load_id = sent.load_id
order by listed.load_id desc
"""  # noqa: S608 (a number of ours)

_NEWEST = "select coalesce(max(load_id), 0) from loads"


@dataclass(frozen=True)
class Load:
    """A published load.

    `outgoing_count` is how many files for outboxes it settled that were or are to be delivered.
    """

    load_id: int
    business_date: date
    loaded_at: datetime
    inbox_count: int
    unread_inbox_count: int
    file_count: int
    applied_file_count: int
    held_file_count: int
    refused_file_count: int
    idle_file_count: int
    decision_count: int
    event_line_count: int
    outgoing_count: int
    delivered_count: int


def list_loads(reader: Reader, load_id: int | None) -> list[Load]:
    """The newest MOST_LOADS loads, the newest first; one of them if it is named."""
    return reader.rows(Load, _LISTED, load_id=load_id)


def find_newest(reader: Reader) -> int:
    """The number of the newest published load; 0 if there is none."""
    return reader.row(int, _NEWEST) or 0
