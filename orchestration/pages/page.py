"""What a page is, and what every page needs: the installation, and HTML from a template."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from orchestration.contracts.organizations import Organization, read_organizations
from orchestration.installation.home import Home
from orchestration.pages import guards, languages
from orchestration.pages.languages import marked as _
from orchestration.pages.writing import Writing

FILE_ID = re.compile(r"[0-9a-f]{16}")
_TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Page:
    """A page of the navigation.

    Args:
        title: its name there, marked for translation.
        path: its address.
        routes: all that it answers to.

    """

    title: str
    path: str
    routes: Sequence[Route]


def home_of(request: Request) -> Home:
    """The installation that the pages show."""
    home: Home = request.app.state.home
    return home


def find_organization(seeds: Path, organization_id: str) -> Organization:
    """The organization with an id.

    Raises:
        HTTPException: no contract has it.

    """
    for organization in read_organizations(seeds):
        if organization.organization_id == organization_id:
            return organization
    raise HTTPException(404, _("No organization of that name has a contract."))


def writing_of(request: Request) -> Writing:
    """How the language of an answer writes numbers and words."""
    language = languages.chosen(request)
    return Writing(language, languages.catalog(language))


def render(request: Request, template: str, status_code: int = 200, **context: Any) -> HTMLResponse:
    """HTML from a template, which knows the pages, the current address and the form token."""
    token = guards.form_token(request)
    language = languages.chosen(request)
    html = (
        environment(language)
        .get_template(template)
        .render(
            pages=request.app.state.pages,
            path=request.url.path,
            form_token=token,
            language=language,
            languages=languages.LANGUAGES,
            addresses=languages.addresses(request),
            **context,
        )
    )
    response = HTMLResponse(html, status_code)
    guards.remember_token(response, token)
    languages.remember(request, response)
    return response


def render_error(request: Request, status_code: int, title: str, message: str) -> HTMLResponse:
    """A page that says what went wrong; marked texts in the language of the answer."""
    return render(
        request,
        "error.html",
        status_code,
        title=languages.translate(request, title),
        message=languages.translate(request, message),
    )


@cache
def environment(language: str) -> jinja2.Environment:
    """The templates in a language. Whatever they are given stays text."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    catalog = languages.catalog(language)
    # The extension adds it to the environment.
    made.install_gettext_translations(catalog, newstyle=True)  # type: ignore[attr-defined]
    made.filters.update(Writing(language, catalog).filters())
    return made
