"""File names: the date in them, and what is nearly right (R11, R16, R18)."""

from __future__ import annotations

import time
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.contracts.file_names import (
    InvalidFileDateError,
    file_date,
    find_near_misses,
)

LITERALS = st.text(st.characters(exclude_characters="YMD*", exclude_categories=["Cs"]), max_size=8)


class TestFileDates:
    """The business date in a file's name (R16)."""

    @given(
        st.dates(date(1990, 1, 1), date(2100, 12, 31)),
        st.permutations(["YYYY", "MM", "DD"]),
        st.tuples(*[LITERALS] * 4),
    )
    def test_the_date_is_read_where_the_pattern_says(
        self, day: date, tokens: list[str], literals: tuple[str, str, str, str]
    ) -> None:
        digits = {"YYYY": f"{day.year:04}", "MM": f"{day.month:02}", "DD": f"{day.day:02}"}
        gaps = list(zip(literals, [*tokens, ""], strict=True))
        pattern = "".join(literal + token for literal, token in gaps)
        name = "".join(literal + digits.get(token, "") for literal, token in gaps)
        assert file_date(pattern, name) == day

    @pytest.mark.parametrize(
        "name",
        [
            "2026-03-02_toku_invoicesXcsv",
            "2026-03-02_toku_invoices.csv.part",
            "2026-03-02_toku_invoices.csv\n",
            " 2026-03-02_toku_invoices.csv",
            "2026-3-2_toku_invoices.csv",
            "2026-03-02_toku_payments.csv",
            "٢٠٢٦-٠٣-٠٢_toku_invoices.csv",
            "",
        ],
    )
    def test_a_name_that_is_not_wholly_of_the_pattern_has_no_date(self, name: str) -> None:
        assert file_date("YYYY-MM-DD_toku_invoices.csv", name) is None

    @pytest.mark.parametrize(
        ("pattern", "name"),
        [
            (".*YYYYMMDD(a|b)+[0-9]?$", "x20260302ab7"),
            (".YYYYMMDD", "x20260302"),
            ("YYYYMMDD\\d", "202603021"),
            ("(?i)aYYYYMMDD", "A20260302"),
        ],
    )
    def test_a_pattern_is_never_a_regular_expression(self, pattern: str, name: str) -> None:
        assert file_date(pattern, name) is None

    @pytest.mark.parametrize(
        "name", ["_20260302_.csv", "deudas_20260302_v2.csv", "a\nb_20260302_ñ.csv"]
    )
    def test_a_star_stands_for_anything_or_nothing(self, name: str) -> None:
        assert file_date("*_YYYYMMDD_*.csv", name) == date(2026, 3, 2)

    @pytest.mark.parametrize(
        "digits",
        [
            *("2026-02-29", "2026-13-01", "2026-00-10", "0000-01-01"),
            *("0026-03-02", "1989-12-31", "2101-01-01", "9999-12-31"),
        ],
    )
    def test_digits_that_are_no_date_are_an_error_that_keeps_the_name_to_itself(
        self, digits: str
    ) -> None:
        with pytest.raises(InvalidFileDateError) as raised:
            file_date("YYYY-MM-DD_*.csv", f"{digits}_12345678-5.csv")
        assert str(raised.value) == "YYYY-MM-DD_*.csv"
        assert raised.value.__suppress_context__ or raised.value.__context__ is None

    def test_the_leap_day_is_a_date(self) -> None:
        assert file_date("DDMMYYYY", "29022028") == date(2028, 2, 29)


class TestNearMisses:
    """What is nearly named like a file of a date is told (R18)."""

    PATTERNS = ("YYYY-MM-DD_toku_invoices.csv", "YYYY-MM-DD_toku_payments.csv")
    DAY = date(2026, 11, 2)

    @pytest.mark.parametrize(
        "name",
        [
            "2026-11-02-toku-invoices.csv",
            "2026-11-02_TOKU_INVOICES.CSV.filepart",
            "2026-11-02_toku_invoices.csv.gz",
            "2026-11-02_toku_invoices.txt",
            "2026-11-02_toku_invoices",
            "2026-11-02_toku_invoices (1).csv",
            "2026-11-02 toku invoices.csv",
            "02-11-2026_toku_invoices.csv",
            "2-11-2026_toku_invoices.csv",
            "20261102_toku_invoices.csv",
            "toku_invoices_261102.csv",
            "toku_invoices_2026.11.02.csv",
            "2026-11-02_toku_invoice.csv",
            "2026-11-02_tokuinvoices.csv",
            "2026-11-02_payments_toku.csv",
            "2026-11-02_facturas.csv",
            "toku_invoices.csv",
        ],
    )
    def test_a_name_that_is_nearly_right_is_one(self, name: str) -> None:
        near = find_near_misses(self.PATTERNS, [name], self.DAY, is_had=False)
        assert near == [name]

    @pytest.mark.parametrize(
        "names",
        [
            ["2026-11-02_Toku_Invoices.CSV"],
            ["2026-11-02_toku_payments.csv"],
            ["2026-02-30_toku_invoices.csv"],
            ["2026-11-01-toku-invoices.csv"],
            ["readme.txt"],
            ["2026-11-02_toku_invoices.csv", "2026-11-02_toku_invoices.csv.filepart"],
            ["2026-11-02_toku_invoices.csv", "2026-11-02_TOKU_INVOICES.CSV.tmp"],
        ],
    )
    def test_a_right_name_and_one_of_another_day_or_thing_are_none(self, names: list[str]) -> None:
        assert find_near_misses(self.PATTERNS, names, self.DAY, is_had=False) == []

    @pytest.mark.parametrize(
        ("name", "is_near"),
        [
            ("2026-11-02_toku_invoices_v2.csv", True),
            ("2026-11-02_logo.png", False),
            ("toku_invoices.csv", False),
        ],
    )
    def test_beside_the_right_file_only_a_name_like_it_is_one(
        self, name: str, is_near: bool
    ) -> None:
        near = find_near_misses(self.PATTERNS, [name], self.DAY, is_had=True)
        assert near == ([name] if is_near else [])

    @pytest.mark.parametrize("is_had", [False, True])
    def test_a_name_that_no_file_system_has_is_near_nothing(self, is_had: bool) -> None:
        longest = f"2026-11-02_toku_invoices_{'9' * 226}.csv"
        names = [longest, f"9{longest}", f"2026-11-02_toku_invoices_{'9' * 20_000_000}.csv"]
        assert len(longest) == 255
        assert find_near_misses(self.PATTERNS, names, self.DAY, is_had=is_had) == [longest]
        assert file_date("YYYY-MM-DD_*.csv", longest) == self.DAY
        assert [file_date("YYYY-MM-DD_*.csv", name) for name in names[1:]] == [None, None]

    @pytest.mark.parametrize("is_had", [False, True])
    @pytest.mark.parametrize("letters", ["tokuinvoces", "zyx" * 80])
    def test_of_as_many_names_as_a_server_may_list_a_part_is_compared(
        self, letters: str, is_had: bool
    ) -> None:
        """R20: while names are compared, nobody else's inbox is looked into."""
        names = [f"{number}-{letters}.csv" for number in range(25_000)]
        names += [f"2026-11-02-{number}-{letters}.csv" for number in range(25_000)]
        began = time.process_time()
        find_near_misses(self.PATTERNS, names, self.DAY, is_had=is_had)
        assert time.process_time() - began < 6

    def test_of_any_date_is_what_is_asked_before_the_first_one(self) -> None:
        near = find_near_misses(self.PATTERNS, ["2025-01-31-toku-invoices.csv"], None, is_had=False)
        assert near == ["2025-01-31-toku-invoices.csv"]

    @pytest.mark.parametrize("ending", [".filepart", ".PART", ".tmp"])
    def test_a_star_does_not_stand_for_the_ending_of_an_upload_under_way(self, ending: str) -> None:
        assert file_date("deudas_YYYYMMDD*", f"deudas_20261102.csv{ending}") is None
        assert file_date("deudas_YYYYMMDD*", "deudas_20261102.csv") == self.DAY
        assert file_date(f"deudas_YYYYMMDD*{ending}", f"deudas_20261102{ending}") == self.DAY

    @pytest.mark.parametrize(
        ("pattern", "name"),
        [
            ("YYYY-MM-DD_toku_invoices.csv", "2026-11-02_TOKU_INVOICES.CSV"),
            ("DEUDAS_AÑO_YYYYMMDD.TXT", "deudas_an\u0303o_20261102.txt"),
        ],
    )
    def test_letter_case_and_the_form_of_accents_do_not_count(
        self, pattern: str, name: str
    ) -> None:
        assert file_date(pattern, name) == self.DAY
