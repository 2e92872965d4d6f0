"""The catalog of the pages: each text is in it, in both languages it says the same things."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract
from starlette.requests import Request

from orchestration.installation.home import PROJECT
from orchestration.pages.languages import addresses, catalog
from orchestration.pages.page import environment

PAGES = PROJECT / "orchestration" / "pages"
KEYWORDS = {"_": None, "gettext": None, "pgettext": ((1, "c"), 2)}
NAMES = re.compile(r"%\((\w+)\)s")
Text = tuple[str | None, str]


def _texts() -> set[Text]:
    """Each marked text of the pages, with its context."""
    found: set[Text] = set()
    for path in PAGES.rglob("*"):
        if path.suffix not in {".py", ".html"}:
            continue
        method = "python" if path.suffix == ".py" else babel_extract
        with path.open("rb") as source:
            for _, text, _, context in extract(method, source, KEYWORDS):
                found.add((context, text if isinstance(text, str) else text[0]))
    return found


def _translated() -> dict[Text, str]:
    with (PAGES / "locale" / "es.po").open("rb") as source:
        return {
            (message.context, str(message.id)): str(message.string)
            for message in read_po(source)
            if message.id
        }


def test_the_catalog_has_each_text_of_the_pages_and_no_other() -> None:
    assert set(_translated()) == _texts()


def test_each_text_is_translated_with_all_that_is_put_into_it() -> None:
    wrong = {
        text
        for (_, text), said in _translated().items()
        if not said or sorted(NAMES.findall(text)) != sorted(NAMES.findall(said))
    }
    assert wrong == set()


@pytest.mark.parametrize("language", ["es", "en"])
def test_each_template_compiles_in_each_language(language: str) -> None:
    templates = environment(language)
    for path in (PAGES / "templates").iterdir():
        templates.get_template(path.name)


def test_texts_that_are_not_texts_of_the_pages_stay_as_they_are() -> None:
    assert catalog("es").gettext("held") == "retenido"
    assert catalog("es").gettext("no such text") == "no such text"
    assert catalog("en").gettext("held") == "held"


@pytest.mark.parametrize(
    ("language", "written"),
    [
        ("es", ["31.400 CLP", "1.234,5 PEN", "0,1234 CLF", "-2 CLP", "-", "12,5%", "1,5 MB"]),
        ("en", ["31,400 CLP", "1,234.5 PEN", "0.1234 CLF", "-2 CLP", "-", "12.5%", "1.5 MB"]),
    ],
)
def test_numbers_are_written_whole_as_each_language_writes_them(
    language: str, written: list[str]
) -> None:
    template = environment(language).from_string(
        "{{ a | money('CLP') }}|{{ b | money('PEN') }}|{{ c | money('CLF') }}|"
        "{{ d | money('CLP') }}|{{ none | money('CLP') }}|{{ 0.125 | share }}|{{ 1500000 | size }}"
    )
    amounts = {
        "a": Decimal("31400.0000"),
        "b": Decimal("1234.5000"),
        "c": Decimal("0.1234"),
        "d": Decimal("-2.0000"),
        "none": None,
    }
    said = template.render(amounts).replace("\N{NO-BREAK SPACE}", " ")
    assert said.split("|") == written


def test_no_address_leads_the_switch_of_languages_to_another_host() -> None:
    request = Request(
        {
            "type": "http",
            "scheme": "http",
            "server": ("127.0.0.1", 8000),
            "path": "//evil.example/x",
            "query_string": b"q=LUZ-001&language=es",
            "headers": [],
        }
    )
    assert addresses(request) == {
        "es": "?q=LUZ-001&language=es",
        "en": "?q=LUZ-001&language=en",
    }
