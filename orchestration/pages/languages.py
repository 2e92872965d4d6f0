"""The languages of the pages: Spanish unless somebody switches to English (R35).

Texts stand in English in templates and modules, and in Spanish in `locale/es.po`. The catalog is
read as it is, so nothing has to be compiled; a test says which texts it lacks. To switch is to ask
for any page with `language=en`; a cookie remembers it.
"""

from __future__ import annotations

from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from starlette.requests import Request
from starlette.responses import Response

DEFAULT = "es"
# With what each calls itself.
LANGUAGES = {"es": "Español", "en": "English"}
_PARAMETER = "language"
_COOKIE = "saldo_language"
_YEAR_SECONDS = 31_536_000


def marked(text: str) -> str:
    """A text as it is, for the catalog: it is translated where it is shown."""
    return text


def chosen(request: Request) -> str:
    """The language of an answer: the one asked for now, else before, else Spanish."""
    asked = (request.query_params.get(_PARAMETER), request.cookies.get(_COOKIE))
    return next((each for each in asked if each in LANGUAGES), DEFAULT)


def remember(request: Request, response: Response) -> None:
    """Have the browser ask for the language that was just switched to."""
    asked = request.query_params.get(_PARAMETER)
    if asked in LANGUAGES:
        response.set_cookie(
            _COOKIE, asked, _YEAR_SECONDS, httponly=True, samesite="strict", path="/"
        )


def addresses(request: Request) -> dict[str, str]:
    """By language, what leads from this page to itself in it.

    Without the path, which may begin with `//` and would then name another host.
    """
    return {
        language: f"?{url.query}"
        for language in LANGUAGES
        for url in [request.url.include_query_params(**{_PARAMETER: language})]
    }


@cache
def catalog(language: str) -> NullTranslations:
    """What translates into a language."""
    path = Path(__file__).with_name("locale") / f"{language}.po"
    if not path.exists():
        return NullTranslations()
    compiled = BytesIO()
    with path.open("rb") as source:
        write_mo(compiled, read_po(source, locale=language))
    compiled.seek(0)
    return GNUTranslations(compiled)


def translate(request: Request, text: str) -> str:
    """A marked text in the language of an answer; another text as it is."""
    # The empty text would be the header of the catalog.
    return catalog(chosen(request)).gettext(text) if text else text
