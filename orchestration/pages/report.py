"""The report of a business date: its first page and the pictures of each organization in one file.

It is read where there is no console: on paper, as the attachment of a mail. So it needs nothing but
itself, and tells no person's data and no name of a file (R30): counts, sums, codes.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from markupsafe import Markup

from orchestration.installation.errors import ToldError
from orchestration.installation.home import Home
from orchestration.installation.redaction import redact
from orchestration.installation.whole_files import write_whole
from orchestration.pages import languages
from orchestration.pages.drawings import Drawings, draw_all_bases, draw_organization
from orchestration.pages.page import environment
from orchestration.pages.published import NotPublishedError, OlderCopyError, Reader, opened
from orchestration.pages.queries import days, organizations, pictures
from orchestration.pages.queries.organizations import Contract
from orchestration.pages.queries.pictures import Pictures
from orchestration.pages.today import Line, Need, find_common_needs, read_lines
from orchestration.pages.writing import Writing

# Pictures of more organizations would be a file that no mail takes; the table has all of them.
MOST_DRAWN = 100
_STYLES = Path(__file__).with_name("static") / "saldo.css"


class NothingToReportError(ToldError):
    """There is no such day in the published copy."""


@dataclass(frozen=True)
class Drawn:
    """An organization with its pictures."""

    line: Line
    contract: Contract
    pictures: Pictures
    drawings: Drawings


@dataclass(frozen=True)
class Report:
    """A report that was written.

    Args:
        path: the file.
        business_date: the date.
        common: what the date needs that is of no organization.
        lines: each organization and what it needs, the worst first.

    """

    path: Path
    business_date: date
    common: tuple[Need, ...]
    lines: tuple[Line, ...]

    @property
    def needing(self) -> tuple[Line, ...]:
        """The organizations that need something."""
        return tuple(line for line in self.lines if line.needs)

    def summarize(self) -> str:
        """The report in Markdown, in English, with a line for each organization.

        What is of none of them comes first.
        """
        said = [f"- {_name(need)}" for need in self.common]
        said += [_summarize(line) for line in self.lines[:MOST_DRAWN]]
        if len(self.lines) > MOST_DRAWN:
            said.append(f"- and {len(self.lines) - MOST_DRAWN} more, which are in the report")
        return "\n".join([*said, "", f"The whole report: `{self.path}`"])


def write(home: Home, business_date: date | None, language: str = languages.DEFAULT) -> Report:
    """Write the report of a date into the home; one that is there is replaced in one step.

    Args:
        home: the installation.
        business_date: the date; the newest if there is none.
        language: one of `languages.LANGUAGES`.

    Raises:
        NothingToReportError: nothing has been published, or no inbox was looked into for the date.
        DamagedError: the published copy cannot be read.

    """
    writing = Writing(language, languages.catalog(language))
    try:
        with opened(home) as reader:
            day = _find_day(reader, business_date)
            bases = days.read_bases(reader, day)
            lines = read_lines(reader, day, bases)
            common = find_common_needs(reader, day)
            drawn = _draw(reader, writing, day, lines)
            published_at = reader.read_published_at()
    except NotPublishedError:
        raise NothingToReportError(
            "nothing has been published yet: `python -m orchestration run` runs today's date"
        ) from None
    except OlderCopyError:
        raise NothingToReportError(
            "the published copy was made by an older version: run once more; if that says that the"
            " warehouse is of an older version, replay"
        ) from None
    html = (
        environment(language)
        .get_template("report.html")
        .render(
            language=language,
            styles=Markup(_STYLES.read_text("utf-8")),  # noqa: S704 (a file of ours)
            business_date=day,
            published_at=published_at,
            common=common,
            lines=lines,
            bases=draw_all_bases(writing, bases),
            drawn=drawn,
        )
    )
    path = home.reports / f"{day}.html"
    # What a channel is called comes from outside, and so may say anything.
    write_whole(path, redact(html, os.environ).encode(), mode=0o600)
    return Report(path, day, common, tuple(lines))


def _find_day(reader: Reader, business_date: date | None) -> date:
    newest = days.read_dates(reader, business_date).newest
    day = business_date or newest
    if day is None or not any(each.status for each in days.list_days(reader, day)):
        raise NothingToReportError(
            f"no inbox has been looked into for {day or 'any date'}: `python -m orchestration run"
            f" --date {day or 'DATE'}` runs it"
        )
    return day


def _draw(reader: Reader, writing: Writing, day: date, lines: list[Line]) -> list[Drawn]:
    contracts = organizations.read_contracts(reader)
    drawn = {line.day.organization_id: line for line in lines[:MOST_DRAWN]}
    numbers = pictures.read_pictures(reader, drawn, day)
    return [
        Drawn(line, contracts[each], numbers[each], draw_organization(writing, numbers[each]))
        for each, line in drawn.items()
    ]


def _name(need: Need) -> str:
    return f"{need.kind.replace('_', ' ')} ({need.count})"


def _summarize(line: Line) -> str:
    """A line of Markdown; the name of an organization stays text."""
    name = "".join(f"\\{each}" if each in r"\`*_[]<>#|&" else each for each in line.day.name)
    needs = [_name(need) for need in line.needs]
    status = (line.day.status or "not looked").replace("_", " ")
    return f"- **{name}**: {status}; {', '.join(needs) or 'nothing to do'}"
