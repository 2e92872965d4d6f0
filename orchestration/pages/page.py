"""What a page is, and what every page needs: the installation, and HTML from a template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from orchestration.installation.home import Home
from orchestration.pages import guards

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@dataclass(frozen=True)
class Page:
    """A page of the navigation.

    Args:
        title: its name there.
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


def render(request: Request, template: str, status_code: int = 200, **context: Any) -> HTMLResponse:
    """HTML from a template, which knows the pages, the current address and the form token."""
    token = guards.form_token(request)
    html = _TEMPLATES.get_template(template).render(
        pages=request.app.state.pages, path=request.url.path, form_token=token, **context
    )
    response = HTMLResponse(html, status_code)
    guards.remember_token(response, token)
    return response


def render_error(request: Request, status_code: int, title: str, message: str) -> HTMLResponse:
    """A page that says what went wrong."""
    return render(request, "error.html", status_code, title=title, message=message)
