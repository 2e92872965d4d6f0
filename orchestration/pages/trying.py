"""Try a file: what is understood of a sample, what would be refused and what it would do (R35).

For onboarding: an organization needs no contract, server or line of the seeds to try a file.
Nothing is kept: the sample is in a folder of scratch until the page is made, and the base that it
meets is the published copy.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestration.contracts.currencies import CURRENCIES
from orchestration.contracts.organizations import (
    CUSTOMER_ID_SCHEMES,
    DATE_FORMATS,
    DECIMAL_SEPARATORS,
    DELIMITERS,
    UPDATE_MODES,
    Aliases,
    Organization,
    read_column_aliases,
    read_organizations,
)
from orchestration.contracts.tables import ContractError
from orchestration.formats import samples
from orchestration.formats.file_columns import Layout
from orchestration.formats.samples import Sample
from orchestration.installation.home import Home
from orchestration.intake import trying
from orchestration.intake.trial_homes import trial_home
from orchestration.landing.manifests import CUSTOMERS
from orchestration.pages import guards
from orchestration.pages.advice import Advice, advise, find_date
from orchestration.pages.charts import Chart, Series, draw_rows
from orchestration.pages.languages import marked as _
from orchestration.pages.languages import translate
from orchestration.pages.page import Page, find_organization, home_of, render, writing_of
from orchestration.pages.published import Reader
from orchestration.pages.queries import trials
from orchestration.pages.queries.trials import (
    Change,
    Named,
    Refusal,
    RefusedRows,
    Verdict,
)
from orchestration.pages.sample_contracts import (
    NAMED_FIELDS,
    TERMS,
    SampleContract,
    read_terms,
)

_PATH = "/try"
MOST_BYTES = 20_000_000
MOST_COLUMNS_SHOWN = 200
_LONGEST_NAME = 100
_KINDS = {
    "invoices": _("Debts"),
    "payments": _("The organization's own payments"),
    CUSTOMERS: _("Customers (workbook)"),
}
# What the fields are called; the columns of analysts are called like the fields themselves.
_FIELDS = {
    "customer_id": _("id of the customer"),
    "product_id": _("id of the product"),
    "due_date": _("due date"),
    "amount": _("amount"),
    "is_paid": _("whether it is paid"),
    "is_void": _("whether it is void"),
    "name": _("name"),
    "mail": _("mail address"),
    "currency": _("currency"),
    "check_digit": _("check digit of the RUT"),
    "channel": _("channel of the payment"),
    "paid_on": _("date of the payment"),
}
_CHOICES = {
    "customer_id_scheme": CUSTOMER_ID_SCHEMES,
    "update_mode": UPDATE_MODES,
    "currency": sorted(CURRENCIES),
    "delimiter": tuple(DELIMITERS),
    "decimal_separator": DECIMAL_SEPARATORS,
    "date_format": DATE_FORMATS,
}
# One file after another: each takes the machine for a second or two.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Asked:
    """What was said in the form.

    Args:
        kind: of file.
        organization_id: the organization whose contract holds; empty for the terms.
        terms: of a contract that does not exist yet.
        names: by field, how the organization calls its column.

    """

    kind: str
    organization_id: str
    terms: Mapping[str, str]
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def contract(self) -> SampleContract:
        """The contract that the terms are."""
        return SampleContract(self.kind, self.terms, self.names)


@dataclass(frozen=True)
class Tried:
    """What came of a file."""

    file_name: str
    organization: Organization
    sample: Sample
    accepted_headers: Mapping[str, tuple[str, ...]]
    verdict: Verdict
    codes: list[RefusedRows]
    refusals: list[Refusal]
    changes: Mapping[str, Change]
    base_count: int
    named: Named | None
    advice: Advice


def show_form(request: Request) -> Response:
    """The form; the models are made ready while somebody fills it in."""
    home = home_of(request)
    trying.prepare(home)
    asked = Asked("invoices", request.query_params.get("organization", ""), read_terms(home.seeds))
    return _render(request, asked)


async def try_file(request: Request) -> Response:
    """Take a file, show what would become of it, and keep nothing."""
    home = home_of(request)
    async with request.form(max_files=1, max_fields=30) as form:
        guards.check_form(request, form)
        asked = _read_form(home, form)
        file = form.get("sample")
        if not isinstance(file, UploadFile) or not file.filename:
            raise HTTPException(400, _("Choose a file, then try it."))
        if (file.size or 0) > MOST_BYTES:
            raise HTTPException(
                413,
                _("That is too large for a sample: try its first part, with the header."),
            )
        try:
            tried = await run_in_threadpool(_try, home, asked, file)
        except ContractError as error:
            if asked.organization_id:
                raise
            raise HTTPException(400, str(error)) from None
    return _render(request, asked, tried)


def _render(request: Request, asked: Asked, tried: Tried | None = None) -> Response:
    home = home_of(request)
    return render(
        request,
        "try.html",
        asked=asked,
        tried=tried,
        effects=_draw_effects(request, asked, tried) if tried and tried.changes else None,
        organizations=read_organizations(home.seeds),
        kinds=_KINDS,
        choices=_CHOICES,
        fields=_FIELDS,
        named_fields=NAMED_FIELDS,
        messages=trying.read_messages(home.seeds),
        shown_columns=trials.SHOWN[asked.kind],
        most_columns=MOST_COLUMNS_SHOWN,
        most_megabytes=MOST_BYTES // 1_000_000,
    )


def _read_form(home: Home, form: FormData) -> Asked:
    def text(name: str) -> str:
        value = form.get(name, "")
        return value.strip() if isinstance(value, str) else ""

    kind = text("kind")
    if kind not in _KINDS:
        raise HTTPException(400, _("Say what kind of file it is."))
    defaults = read_terms(home.seeds)
    return Asked(
        kind=kind,
        organization_id=text("organization_id"),
        terms={name: text(name) or defaults[name] for name in TERMS},
        names={name: said for name in NAMED_FIELDS if (said := text(f"column_{name}"))},
    )


def _try(home: Home, asked: Asked, file: UploadFile) -> Tried:
    with _one_at_a_time, trial_home(home, "try") as made:
        if asked.organization_id:
            trial = made
            organization = find_organization(trial.seeds, asked.organization_id)
        else:
            trial = Home(made.root, made.root / "contracts")
            asked.contract.write(home.seeds, trial.seeds)
            organization = read_organizations(trial.seeds)[0]
        aliases = read_column_aliases(trial.seeds)
        content = trial.root / "sample"
        with content.open("wb") as target:
            shutil.copyfileobj(file.file, target)
        return _judge(home, trial, asked, organization, aliases, content, file.filename or "")


def _judge(
    home: Home,
    trial: Home,
    asked: Asked,
    organization: Organization,
    aliases: Aliases,
    content: Path,
    file_name: str,
) -> Tried:
    kind, has_base = asked.kind, bool(asked.organization_id)
    named_for = find_date(organization, kind, file_name)
    now = datetime.now(UTC)
    delimiter = "" if kind == CUSTOMERS else organization.delimiter
    layout = Layout(organization.organization_id, kind, delimiter, organization.customer_id_scheme)
    with trying.judged(
        home,
        trial,
        organization,
        kind=kind,
        content=content,
        file_name=file_name[:_LONGEST_NAME],
        business_date=named_for or now.date(),
        now=now,
        has_base=has_base,
    ) as connection:
        reader = Reader(connection)
        sample = samples.look(content, layout, aliases)
        return Tried(
            file_name=file_name[:_LONGEST_NAME],
            organization=organization,
            sample=sample,
            accepted_headers={
                name: _find_headers(aliases, organization, kind, name) for name in sample.missing
            },
            verdict=trials.read_verdict(reader),
            codes=trials.count_refusals(reader, kind),
            refusals=trials.read_refusals(reader, kind),
            changes=trials.read_changes(reader, kind),
            base_count=trials.count_base(reader),
            named=trials.read_named(reader) if kind == "payments" else None,
            advice=advise(home, reader, organization, kind, content, named_for, has_base=has_base),
        )


def _find_headers(
    aliases: Aliases, organization: Organization, kind: str, name: str
) -> tuple[str, ...]:
    """The names, as they are compared, of columns that are a field."""
    return tuple(
        header
        for (organization_id, file_kind, header), meaning in aliases.fields.items()
        if organization_id in ("", organization.organization_id)
        and (file_kind, meaning) == (kind, name)
    )


def _draw_effects(request: Request, asked: Asked, tried: Tried) -> Chart:
    """What would happen to the debts or customers of the base and of the file."""
    rows = [
        (_("New debts"), 3, "new"),
        (_("Changed debts"), 2, "changed"),
        (_("Unchanged debts"), 6, "unchanged"),
        (_("Withdrawn debts"), 4, "withdrawn"),
        (_("Kept in process"), 1, "kept_in_process"),
        (_("Kept: its row is refused"), 5, "kept_rejected_row"),
    ]
    if asked.kind == CUSTOMERS:
        rows = [
            (_("New customers"), 3, "new"),
            (_("Changed customers"), 2, "changed"),
            (_("Unchanged customers"), 6, "unchanged"),
        ]
    counts = {change: each.count for change, each in tried.changes.items()}
    counts["unchanged"] = tried.verdict.unchanged_count
    return draw_rows(
        [translate(request, name) for name, _color, _change in rows],
        Series(
            translate(request, _("Count")),
            1,
            [counts.get(each[-1], 0) for each in rows],
        ),
        writing_of(request).count,
        colors=[color for _name, color, _change in rows],
    )


PAGE = Page(
    title=_("Try a file"),
    path=_PATH,
    routes=(
        Route(_PATH, show_form, methods=["GET"]),
        Route(_PATH, try_file, methods=["POST"]),
    ),
)
