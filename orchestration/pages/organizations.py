"""An organization: its base, what is owed and paid, what waits, and its contract in words."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestration.pages.charts import Chart, Number, Series, draw_columns, draw_rows
from orchestration.pages.languages import marked as _
from orchestration.pages.languages import translate
from orchestration.pages.page import Page, home_of, render, writing_of
from orchestration.pages.published import opened
from orchestration.pages.queries import organizations, pictures
from orchestration.pages.queries.pictures import Base, InProcess, Paid, Part, Week

_PATH = "/organizations"
_COLORS = 6
_AGES = (
    _("not due yet"),
    _("1 to 30 days overdue"),
    _("31 to 60 days overdue"),
    _("61 to 90 days overdue"),
    _("more than 90 days overdue"),
)
_AGE_COLORS = (3, 1, 5, 2, 4)


def show_list(request: Request) -> Response:
    """Every organization with its base and its newest day."""
    with opened(home_of(request)) as reader:
        listed = organizations.list_organizations(reader)
    return render(request, "organizations.html", organizations=listed)


def show(request: Request) -> Response:
    """One organization, in pictures and in words."""
    organization_id = request.path_params["organization_id"]
    with opened(home_of(request)) as reader:
        contract = organizations.read_contract(reader, organization_id)
        if contract is None:
            raise HTTPException(404, _("No organization of that name has a contract."))
        look = organizations.read_look(reader, organization_id)
        drawn = pictures.read_pictures(reader, contract)
        exceptions = organizations.list_exceptions(reader, organization_id)
    return render(
        request,
        "organization.html",
        contract=contract,
        look=look,
        pictures=drawn,
        exceptions=exceptions,
        base=_draw_bases(request, drawn.bases),
        ageing=_draw_ageing(request, drawn.ageing),
        paid=_draw_paid(request, drawn.paid),
        in_process=_draw_in_process(request, drawn.in_process),
        weeks=_draw_weeks(request, drawn.weeks),
    )


def _draw_bases(request: Request, bases: Sequence[Base]) -> Chart:
    """How many debts were in the base when each day ended, by status."""
    return draw_columns(
        [each.business_date.isoformat() for each in bases],
        [
            Series(translate(request, _("pending")), 1, [each.pending_count for each in bases]),
            Series(
                translate(request, _("in process")), 2, [each.in_process_count for each in bases]
            ),
        ],
        writing_of(request).count,
    )


def _draw_ageing(request: Request, parts: Sequence[Part]) -> Chart:
    """What is owed, by how long it has been due."""
    amounts = {each.key: each.amount for each in parts}
    return draw_rows(
        [translate(request, age) for age in _AGES],
        Series(
            translate(request, _("Amount")),
            1,
            [amounts.get(bucket, Decimal()) for bucket in range(len(_AGES))],
        ),
        writing_of(request).count,
        colors=_AGE_COLORS,
    )


def _draw_paid(request: Request, paid: Sequence[Paid]) -> Chart:
    """What was paid, by channel and day."""
    days = sorted({each.paid_on for each in paid})
    channels = sorted({each.channel for each in paid})
    amounts = {(each.paid_on, each.channel): each.amount for each in paid}
    return draw_columns(
        [day.isoformat() for day in days],
        [
            Series(
                channel or translate(request, _("no channel")),
                place % _COLORS + 1,
                [amounts.get((day, channel), Decimal()) for day in days],
            )
            for place, channel in enumerate(channels)
        ],
        writing_of(request).count,
    )


def _draw_in_process(request: Request, waiting: Sequence[InProcess]) -> Chart:
    """How old the oldest payment in process of each channel is; too old in another color."""
    values: list[Number] = [each.oldest_business_days for each in waiting]
    return draw_rows(
        [each.channel for each in waiting],
        Series(translate(request, _("Business days of the oldest")), 1, values),
        writing_of(request).count,
        colors=[4 if each.too_long_count else 1 for each in waiting],
    )


def _draw_weeks(request: Request, weeks: Sequence[Week]) -> Chart:
    """What was paid of the debts due in each week, and what is owed of them."""
    return draw_columns(
        [each.week.isoformat() for each in weeks],
        [
            Series(translate(request, _("Paid")), 3, [each.paid_amount for each in weeks]),
            Series(translate(request, _("Owed")), 2, [each.owed_amount for each in weeks]),
        ],
        writing_of(request).count,
    )


PAGE = Page(
    title=_("Organizations"),
    path=_PATH,
    routes=(
        Route(_PATH, show_list, methods=["GET"]),
        Route(f"{_PATH}/{{organization_id}}", show, methods=["GET"]),
    ),
)
