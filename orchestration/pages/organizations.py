"""An organization: its base, what is owed and paid, what waits, and its contract in words."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from orchestration.pages.drawings import draw_organization
from orchestration.pages.languages import marked as _
from orchestration.pages.page import Page, home_of, render, writing_of
from orchestration.pages.published import opened
from orchestration.pages.queries import organizations, pictures

_PATH = "/organizations"


def show_list(request: Request) -> Response:
    """Every organization with its base and its newest day."""
    with opened(home_of(request)) as reader:
        listed = organizations.list_organizations(reader)
    return render(request, "organizations.html", organizations=listed)


def show(request: Request) -> Response:
    """One organization, in pictures and in words."""
    organization_id = request.path_params["organization_id"]
    with opened(home_of(request)) as reader:
        contract = organizations.read_contracts(reader).get(organization_id)
        if contract is None:
            raise HTTPException(404, _("No organization of that name has a contract."))
        look = organizations.read_look(reader, organization_id)
        drawn = pictures.read_pictures(reader, [organization_id])[organization_id]
        exceptions = organizations.list_exceptions(reader, organization_id)
    return render(
        request,
        "organization.html",
        contract=contract,
        look=look,
        pictures=drawn,
        exceptions=exceptions,
        drawings=draw_organization(writing_of(request), drawn),
    )


PAGE = Page(
    title=_("Organizations"),
    path=_PATH,
    routes=(
        Route(_PATH, show_list, methods=["GET"]),
        Route(f"{_PATH}/{{organization_id}}", show, methods=["GET"]),
    ),
)
