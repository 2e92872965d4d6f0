"""Finding debts by whatever somebody has in hand, and the whole life of one."""

from __future__ import annotations

import json
import re

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestration.pages.languages import marked as _
from orchestration.pages.page import Page, home_of, render
from orchestration.pages.published import opened
from orchestration.pages.queries import debts
from orchestration.pages.queries.debts import Debt

_PATH = "/find"
_LONGEST_TEXT = 300
_DEBT_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)

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
    text = request.query_params.get("q", "")[:_LONGEST_TEXT].strip()
    with opened(home_of(request)) as reader:
        found = debts.find(reader, text) if text else None
    return render(request, "find.html", text=text, found=found, most=debts.MOST_FOUND)


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
        Route("/debts/{debt_id}", show_debt, methods=["GET"]),
    ),
)
