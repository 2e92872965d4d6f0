"""The workbooks of customers that were loaded, as analysts see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from orchestration.pages.published import Reader

MOST_UPLOADS = 10
_MOST_REFUSALS = 500

_LOADED = f"""
select
    file_id, organization_id, file_name, received_at, status, message, new_count, changed_count,
    unchanged_count, rejected_count
from intake_files
where kind = 'customers' and file_id = coalesce($file_id, file_id)
order by received_at desc
limit {MOST_UPLOADS + 1}
"""  # noqa: S608 (a number of ours)

_REFUSALS = f"""
select line_number, code, message
from intake_rejections
where file_id = $file_id
order by line_number
limit {_MOST_REFUSALS}
"""  # noqa: S608 (a number of ours)


@dataclass(frozen=True)
class UploadedFile:
    """A workbook that was loaded."""

    file_id: str
    organization_id: str
    file_name: str
    received_at: datetime
    status: str
    message: str | None
    new_count: int
    changed_count: int
    unchanged_count: int
    rejected_count: int


@dataclass(frozen=True)
class Refusal:
    """A refused row of a workbook."""

    line_number: int
    code: str
    message: str | None


def list_uploads(reader: Reader) -> list[UploadedFile]:
    """The workbooks loaded last; one more than MOST_UPLOADS if there are more."""
    return reader.rows(UploadedFile, _LOADED, file_id=None)


def read_upload(reader: Reader, file_id: str) -> UploadedFile | None:
    """A workbook; None if none of that id was loaded."""
    return reader.row(UploadedFile, _LOADED, file_id=file_id)


def read_refusals(reader: Reader, file_id: str) -> list[Refusal]:
    """The first refused rows of a workbook, by line."""
    return reader.rows(Refusal, _REFUSALS, file_id=file_id)
