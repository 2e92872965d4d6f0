"""The page of codes for organizations says what the models say."""

from __future__ import annotations

import csv

from orchestration.devtools.codes_page import PAGE, as_page
from orchestration.installation.home import PROJECT


def test_the_page_is_what_the_seed_gives() -> None:
    assert PAGE.read_text(encoding="utf-8") == as_page(), (
        "run: python -m orchestration.devtools.codes_page"
    )


def test_every_code_is_on_the_page_once() -> None:
    with (PROJECT / "seeds" / "intake_codes.csv").open(encoding="utf-8", newline="") as source:
        codes = [row["code"] for row in csv.DictReader(source)]
    page = as_page()
    assert {code: page.count(f"| `{code}` |") for code in codes} == dict.fromkeys(codes, 1)
