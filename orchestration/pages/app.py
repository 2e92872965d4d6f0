"""The application: the pages, guarded."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from orchestration.contracts.tables import ContractError
from orchestration.formats.workbook_files import LARGEST_FILE_BYTES
from orchestration.installation.damage import DamagedError, DiskFullError, explain
from orchestration.installation.errors import ToldError
from orchestration.installation.home import Home
from orchestration.installation.locking import holder
from orchestration.intake.trying import NotTriedError, OlderBaseError
from orchestration.pages import customers, files, find, organizations, runs, today, trying
from orchestration.pages.guards import (
    HEADERS,
    ForgedFormError,
    OwnNames,
    SecurityHeaders,
    SizeLimit,
)
from orchestration.pages.languages import marked as _
from orchestration.pages.loader import Loader
from orchestration.pages.page import home_of, render, render_error
from orchestration.pages.published import EngineError, NotPublishedError, OlderCopyError

# The navigation, in order.
PAGES = (
    today.PAGE,
    organizations.PAGE,
    find.PAGE,
    files.PAGE,
    customers.PAGE,
    trying.PAGE,
    runs.PAGE,
)

_REQUEST_OVERHEAD_BYTES = 64_000
# Said before any page is made, so in both languages.
_MOST_MEGABYTES = LARGEST_FILE_BYTES // 1_000_000
_TOO_LARGE = (
    f"El archivo tiene más de {_MOST_MEGABYTES} MB: vuelva atrás y divídalo. /"
    f" The file is larger than {_MOST_MEGABYTES} MB: go back and split it."
)

# What may be of this machine or its settings.
_EXPLAINED = (OSError, EngineError, ToldError)

# What the framework itself says of an address, in its own words.
_OF_ADDRESSES = {
    404: _("There is no page at this address."),
    405: _("This address takes no such request: go back, and use the page's own buttons."),
}


def create_app(home: Home) -> Starlette:
    """The pages of an installation.

    Args:
        home: the installation; its environment must be set.

    """
    app = Starlette(
        routes=[
            Route("/", _go_to_first_page),
            *(route for page in PAGES for route in page.routes),
            Mount("/static", StaticFiles(directory=Path(__file__).with_name("static"))),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(OwnNames),
            Middleware(
                SizeLimit,
                most_bytes=LARGEST_FILE_BYTES + _REQUEST_OVERHEAD_BYTES,
                message=_TOO_LARGE,
            ),
        ],
        exception_handlers={
            HTTPException: _say_http_error,
            ForgedFormError: _say_forged,
            ContractError: _say_contract_error,
            DamagedError: _say_damaged,
            NotPublishedError: _say_not_published,
            OlderCopyError: _say_older_copy,
            OlderBaseError: _say_older_copy,
            NotTriedError: _say_not_tried,
            **dict.fromkeys(_EXPLAINED, _explain),
            Exception: _say_failed,
        },
    )
    customers.forget_old(home)
    app.state.home = home
    app.state.pages = PAGES
    app.state.loader = Loader(home, "load-uploads")
    app.state.decider = Loader(home, "load-decisions")
    return app


async def _go_to_first_page(request: Request) -> Response:
    query = request.url.query
    return RedirectResponse(f"{PAGES[0].path}?{query}" if query else PAGES[0].path)


async def _say_http_error(request: Request, error: Exception) -> Response:
    status_code = error.status_code if isinstance(error, HTTPException) else 500
    detail = error.detail if isinstance(error, HTTPException) else ""
    if detail == HTTPStatus(status_code).phrase:
        detail = _OF_ADDRESSES.get(status_code, detail)
    return render_error(request, status_code, _("That did not work"), detail)


async def _say_forged(request: Request, __: Exception) -> Response:
    return render_error(
        request,
        403,
        _("This form is not from here"),
        _("Open the page again and send the form from there. Nothing was changed."),
    )


async def _explain(request: Request, error: Exception) -> Response:
    """Say what is wrong with this machine or its settings; anything else is a failure."""
    told = await run_in_threadpool(explain, error, home_of(request))
    if told is None:
        raise error
    is_full = isinstance(told, DiskFullError)
    title = _("The disk is full") if is_full else _("That did not work")
    return render_error(request, 500, title, str(told))


async def _say_failed(request: Request, __: Exception) -> Response:
    """The error itself is raised again, for the log."""
    answer = render_error(
        request,
        500,
        _("That did not work"),
        _(
            "This page could not be made. Try again; if it fails again, the output of"
            " `python -m orchestration pages` says why."
        ),
    )
    # It is answered outside of all that is about the pages.
    answer.headers.update(HEADERS)
    return answer


async def _say_damaged(request: Request, error: Exception) -> Response:
    return render_error(request, 500, _("A file of this installation is damaged"), str(error))


async def _say_contract_error(request: Request, error: Exception) -> Response:
    return render_error(request, 500, _("The contracts are wrong"), str(error))


async def _say_not_published(request: Request, error: Exception) -> Response:
    has_landed = isinstance(error, NotPublishedError) and error.has_landed
    return render(
        request,
        "nothing_yet.html",
        has_landed=has_landed,
        holder=holder(home_of(request)),
    )


async def _say_not_tried(request: Request, __: Exception) -> Response:
    return render_error(
        request,
        500,
        _("That did not work"),
        _("The database could not try this file. Nothing was kept; try a part of it."),
    )


async def _say_older_copy(request: Request, __: Exception) -> Response:
    return render_error(
        request,
        500,
        _("The published copy was made by an older version"),
        _("Run once more; if it says that the warehouse is of an older version, replay."),
    )
