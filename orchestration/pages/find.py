"""Finding debts by whatever somebody has in hand, and the whole life of one.

Browsers and proxies keep addresses, so what is searched for is never part of one (R30): a form
posts it, and the address of its answer has a random name for it. Links name debts and files by ids
of Saldo.
"""

from __future__ import annotations

import json
import re
import secrets
from collections import OrderedDict
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from orchestration.pages import guards
from orchestration.pages.languages import marked as _
from orchestration.pages.page import FILE_ID, Page, home_of, render
from orchestration.pages.published import Reader, opened
from orchestration.pages.queries import debts
from orchestration.pages.queries.debts import Debt

_PATH = "/find"
_LONGEST_TEXT = 300
_DEBT_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
# The newest searches by their random names, for as long as the pages are served.
_MOST_SEARCHES = 1000
_searches: OrderedDict[str, str] = OrderedDict()

_BY_FILE = {
    "listed": _("It is in the base: its organization's newest file that says anything lists it."),
    "rejected_row": _(
        "It is in the base with its last good values: the newest file has it, in a row that was"
        " refused."
    ),
}
_BY_PAYMENT = {
    "payment": _("It is paid: a payment was authorized."),
    "organization_payments": _("It is paid: the organization's own payments file says so."),
    "debts_file": _("It is paid: its row in the debts file says so."),
}


def show(request: Request) -> Response:
    """The question, and what it leads to."""
    with opened(home_of(request)) as reader:
        text = _read_text(request, reader)
        found = debts.find(reader, text) if text else None
    return render(
        request,
        "find.html",
        text=text or "",
        is_forgotten=text is None,
        found=found,
        most=debts.MOST_FOUND,
    )


async def search(request: Request) -> Response:
    """Take what is searched for, and go to what it leads to."""
    async with request.form() as form:
        guards.check_form(request, form)
        text = form.get("q")
    name = secrets.token_urlsafe(16)
    _searches[name] = text[:_LONGEST_TEXT].strip() if isinstance(text, str) else ""
    if len(_searches) > _MOST_SEARCHES:
        _searches.popitem(last=False)
    return RedirectResponse(f"{_PATH}?search={name}", HTTPStatus.SEE_OTHER)


def _read_text(request: Request, reader: Reader) -> str | None:
    """What an address asks for, empty if it asks nothing; None if nobody can say any more."""
    asked = request.query_params
    if "search" in asked:
        return _searches.get(asked["search"])
    if "debt" in asked:
        debt_id = asked["debt"]
        debt = debts.read_debt(reader, debt_id) if _DEBT_ID.fullmatch(debt_id) else None
        return debt.customer_id if debt else None
    text = asked.get("q", "")
    return text if not text or FILE_ID.fullmatch(text) else None


def show_debt(request: Request) -> Response:
    """All that became known of a debt, on one time line, and the SQL that says the same."""
    debt_id = request.path_params["debt_id"]
    with opened(home_of(request)) as reader:
        debt = debts.read_debt(reader, debt_id) if _DEBT_ID.fullmatch(debt_id) else None
        if debt is None:
            raise HTTPException(404, _("There is no such debt."))
        life = debts.read_life(reader, debt_id)
    return render(
        request,
        "debt.html",
        debt=debt,
        why=explain(debt),
        attributes=json.loads(debt.attributes or "{}"),
        life=life,
        sql=debts.life_sql(debt_id),
    )


def explain(debt: Debt) -> str:
    """Why a debt is in the base or is not (R4-R7), in a marked sentence."""
    if debt.status == "in_process":
        if debt.kept_because == "in_process":
            return _(
                "It is in the base although the newest file does not list it as owed: its payment"
                " is in process."
            )
        return _("It is in the base and cannot be charged now: its payment is in process.")
    if debt.status == "pending":
        return _BY_FILE[debt.file_status]
    if debt.status == "paid":
        return _BY_PAYMENT[debt.paid_because or "payment"]
    if debt.status == "void":
        return _("It is not in the base: its organization's newest row makes it void.")
    return _("It is not in the base: its organization's newest file does not list it any more.")


PAGE = Page(
    title=_("Find"),
    path=_PATH,
    routes=(
        Route(_PATH, show, methods=["GET"]),
        Route(_PATH, search, methods=["POST"]),
        Route("/debts/{debt_id}", show_debt, methods=["GET"]),
    ),
)
