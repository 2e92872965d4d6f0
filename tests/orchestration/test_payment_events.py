"""Payment events: every line at its own line number, and no content in a refusal."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestration.formats.event_lines import (
    ENROLLMENT_REQUIRED,
    FIELDS,
    REQUIRED,
    Event,
    Refusal,
    organization_of,
    read_lines,
)

EVENT: dict[str, Any] = {
    "event_id": "evt-1",
    "occurred_at": "2026-03-02T13:15:00+00:00",
    "organization_id": "lumina",
    "payment_id": "pay-1",
    "customer_id": "19153032-2",
    "product_id": "LUZ-001",
    "due_date": "2026-03-22",
    "amount": "31400.00",
    "currency": "CLP",
    "channel": "webpay",
    "status": "authorized",
    "reason": None,
}


def _line(**changes: Any) -> bytes:
    return json.dumps({**EVENT, **changes}, ensure_ascii=False).encode() + b"\n"


def _read(tmp_path, content: bytes) -> list[Event | Refusal]:
    (tmp_path / "a.jsonl").write_bytes(content)
    return list(read_lines(tmp_path / "a.jsonl", 0))


class TestLines:
    """Which lines are read."""

    def test_lines_keep_their_numbers_over_loads_and_blank_lines(self, tmp_path):
        (tmp_path / "a.jsonl").write_bytes(b"  \r\n" + _line(event_id="evt-2") + b"[]\n")
        lines = list(read_lines(tmp_path / "a.jsonl", 3))
        assert [(type(line), line.line_number) for line in lines] == [(Event, 5), (Refusal, 6)]


class TestEvents:
    """What an event is read as."""

    def test_an_event_is_its_fields_as_text(self, tmp_path):
        assert _read(tmp_path, _line(color="red")) == [Event(1, EVENT)]

    def test_a_line_end_of_windows_and_letters_of_any_script_are_read(self, tmp_path):
        line = _line(product_id="Póliza 😀").replace(b"\n", b"\r\n")
        assert _read(tmp_path, line) == [Event(1, {**EVENT, "product_id": "Póliza 😀"})]

    @pytest.mark.parametrize(
        ("written", "amount"),
        [
            ('"31400.00"', "31400.00"),
            ("31400", "31400"),
            ("31400.5", "31400.5"),
            ("0.10", "0.10"),
            ("3.14e4", "31400"),
            ('" 31400 "', "31400"),
            ("0", "0"),
            ("99999999999999.99", "99999999999999.99"),
            ("1.000", "1.000"),
        ],
    )
    def test_an_amount_may_be_a_number_or_text_and_stays_exact(self, tmp_path, written, amount):
        line = _line(amount=0).replace(b'"amount": 0', f'"amount": {written}'.encode())
        assert _read(tmp_path, line) == [Event(1, {**EVENT, "amount": amount})]

    @pytest.mark.parametrize(("currency", "most"), [("CLF", "0.1234"), ("KWD", "0.123")])
    def test_an_amount_may_have_the_decimals_of_its_currency(self, tmp_path, currency, most):
        fields = {"currency": currency, "amount": most}
        words = {"CLF": "four", "KWD": "three"}
        assert _read(tmp_path, _line(**fields) + _line(**fields | {"amount": f"{most}5"})) == [
            Event(1, EVENT | fields),
            Refusal(
                2,
                "invalid_amount",
                f"amount is not a number of at most {words[currency]} decimals",
            ),
        ]

    @pytest.mark.parametrize("written", ["clf", " Clf "])
    def test_the_letter_case_of_a_currency_and_blanks_around_it_do_not_matter(
        self, tmp_path, written
    ):
        """A reversal in another spelling would not be counted."""
        fields = {"currency": "CLF", "amount": "0.1234"}
        assert _read(tmp_path, _line(**fields | {"currency": written})) == [
            Event(1, EVENT | fields)
        ]

    @pytest.mark.parametrize(
        ("written", "kept"),
        [
            ("2026-03-02T13:15:00Z", "2026-03-02T13:15:00+00:00"),
            (" 2026-03-02 10:15:00.123456-03:00 ", "2026-03-02T13:15:00.123456+00:00"),
            ("20260302T101500-0300", "2026-03-02T13:15:00+00:00"),
        ],
    )
    def test_an_instant_of_any_iso_8601_form_is_kept_in_utc(self, tmp_path, written, kept):
        line = _line(occurred_at=written)
        assert _read(tmp_path, line) == [Event(1, {**EVENT, "occurred_at": kept})]

    @pytest.mark.parametrize("written", ["LUMINA", " Lumina\t"])
    def test_the_letter_case_of_an_organization_and_blanks_around_it_do_not_matter(
        self, tmp_path, written
    ):
        """Contracts name it in lower case: its money would be nobody's."""
        line = _line(organization_id=written)
        assert _read(tmp_path, line) == [Event(1, EVENT)]
        assert organization_of(line) == "lumina"
        (enrollment,) = _read(tmp_path, _enrollment(organization_id=written))
        assert enrollment.fields["organization_id"] == "lumina"


class TestRefusals:
    """What is no event, and what is said of it (R30)."""

    @pytest.mark.parametrize("name", REQUIRED)
    @pytest.mark.parametrize("value", [None, "", "  ", True, ["x"], {"x": 1}])
    def test_a_field_that_is_missing_or_empty_has_its_code(self, tmp_path, name, value):
        expected = [Refusal(1, f"missing_{name}", f"{name} is missing or empty")]
        assert _read(tmp_path, _line(**{name: value})) == expected
        without = {field: text for field, text in EVENT.items() if field != name}
        assert _read(tmp_path, json.dumps(without).encode() + b"\n") == expected

    @pytest.mark.parametrize(
        "content",
        [
            b"secret\n",
            b'"secret"\n',
            b"[1]\n",
            b"null\n",
            b'{"event_id": "secret"\n',
            b"\xff\xfe\n",
            b"\xef\xbb\xbf" + _line(),
            b"[" * 100_000 + b"\n",
            _line()[:-1] + _line(),
        ],
        ids=["word", "text", "list", "null", "half", "bytes", "BOM", "deep", "two objects"],
    )
    def test_a_line_that_is_not_one_json_object_is_refused(self, tmp_path, content):
        assert _read(tmp_path, content) == [
            Refusal(1, "invalid_json", "the line is not one JSON object")
        ]

    @pytest.mark.parametrize("size", [1_000_001, 2_000_000, 17_000_000])
    def test_a_line_of_more_than_a_megabyte_is_refused_and_the_next_is_read(self, tmp_path, size):
        long = b'{"event_id": "' + b"x" * (size - 17) + b'"}\n'
        assert _read(tmp_path, long + _line()) == [
            Refusal(1, "line_too_long", "the line has more than a megabyte"),
            Event(2, EVENT),
        ]

    @pytest.mark.parametrize("field", FIELDS)
    def test_half_a_character_that_no_warehouse_can_hold_is_refused(self, tmp_path, field):
        line = json.dumps({**EVENT, field: "\ud800"}).encode() + b"\n"
        assert _read(tmp_path, line) == [
            Refusal(1, "invalid_json", "the line has half a character")
        ]

    @pytest.mark.parametrize(
        "text",
        [
            "2026-03-02T10:15:00",
            "2026-03-02",
            "yesterday",
            "1772457300",
            "2026-02-30T10Z",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00",
        ],
    )
    def test_an_instant_without_offset_or_out_of_all_times_is_refused(self, tmp_path, text):
        assert _read(tmp_path, _line(occurred_at=text)) == [
            Refusal(1, "invalid_occurred_at", "occurred_at is not ISO 8601 with an offset")
        ]

    @pytest.mark.parametrize("text", ["22-03-2026", "2026-02-30", "20260322", "2026-3-2", " "])
    def test_a_due_date_in_another_form_is_refused(self, tmp_path, text):
        (refusal,) = _read(tmp_path, _line(due_date=text))
        assert refusal == (
            Refusal(1, "missing_due_date", "due_date is missing or empty")
            if not text.strip()
            else Refusal(1, "invalid_due_date", "due_date is not YYYY-MM-DD")
        )

    @pytest.mark.parametrize(
        "written",
        [
            '"1.234,50"',
            '"1_000"',
            '"$ 100"',
            '"١٢"',
            '"NaN"',
            '"Infinity"',
            "-1",
            "-0",
            "1.005",
            "100000000000000",
            "1e999999999",
            "1e-999999999",
        ],
    )
    def test_an_amount_that_is_no_sum_of_money_is_refused(self, tmp_path, written):
        line = _line(amount=0).replace(b'"amount": 0', f'"amount": {written}'.encode())
        assert _read(tmp_path, line) == [
            Refusal(1, "invalid_amount", "amount is not a number of at most two decimals")
        ]

    @pytest.mark.parametrize("exponent", ["9999999999999999999", "-9999999999999999999"])
    @pytest.mark.parametrize("field", ["amount", "trace"])
    def test_a_number_that_no_decimal_can_be_is_refused(self, tmp_path, exponent, field):
        number = f'"{field}": 1e{exponent}, "amount": 0'
        line = _line(amount=0).replace(b'"amount": 0', number.encode())
        assert _read(tmp_path, line + _line()) == [
            Refusal(1, "invalid_json", "the line is not one JSON object"),
            *_read(tmp_path, b"\n" + _line()),
        ]

    @pytest.mark.parametrize("field", FIELDS)
    def test_no_refusal_tells_what_the_line_holds(self, tmp_path, field):
        canary = "19153032-2 ana@example.com"
        for line in (
            _line(**{field: canary, "amount": canary}),
            _line(**{field: canary, "due_date": canary}),
            canary.encode() + _line(),
        ):
            (refusal,) = _read(tmp_path, line)
            assert isinstance(refusal, Refusal)
            for part in canary.split():
                assert part not in refusal.message + refusal.code


ENROLLMENT: dict[str, Any] = {
    "kind": "enrollment",
    "event_id": "enr-1",
    "occurred_at": "2026-03-02T13:15:00+00:00",
    "organization_id": "lumina",
    "payment_method_id": "method-1",
    "customer_id": "19153032-2",
    "products": ["LUZ-001", 7],
    "type": "pac",
    "status": "active",
}


def _enrollment(**changes: Any) -> bytes:
    return json.dumps({**ENROLLMENT, **changes}, ensure_ascii=False).encode() + b"\n"


class TestEnrollments:
    """Lines of payment methods, among those of payments (R27)."""

    def test_the_kind_of_a_line_says_what_it_is_and_without_one_it_is_a_payment(self, tmp_path):
        lines = _read(tmp_path, _line() + _enrollment() + _line(kind="payment"))
        assert [line.kind for line in lines] == ["payment", "enrollment", "payment"]
        assert lines[1] == Event(
            2,
            {
                **{name: ENROLLMENT[name] for name in ENROLLMENT_REQUIRED},
                "occurred_at": "2026-03-02T13:15:00+00:00",
                "products": '["LUZ-001", "7"]',
            },
            "enrollment",
        )

    @pytest.mark.parametrize("kind", ["refund", "", None, 7, ["enrollment"]])
    def test_a_line_of_another_kind_is_refused(self, tmp_path, kind):
        (refusal,) = _read(tmp_path, _enrollment(kind=kind))
        assert refusal == Refusal(1, "unknown_kind", "kind is neither payment nor enrollment")

    @pytest.mark.parametrize("name", ENROLLMENT_REQUIRED)
    @pytest.mark.parametrize("value", [None, "", "  ", True, ["x"]])
    def test_a_required_field_must_hold_something(self, tmp_path, name, value):
        (refusal,) = _read(tmp_path, _enrollment(**{name: value}))
        assert refusal == Refusal(1, f"missing_{name}", f"{name} is missing or empty")

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"occurred_at": "2026-03-02T10:15:00"}, "invalid_occurred_at"),
            ({"products": "LUZ-001"}, "invalid_products"),
            ({"products": None}, "invalid_products"),
            ({"products": ["LUZ-001", None]}, "invalid_products"),
            ({"products": ["LUZ-001", " "]}, "invalid_products"),
            ({"products": [{"id": "LUZ-001"}]}, "invalid_products"),
        ],
    )
    def test_a_malformed_enrollment_is_refused_without_its_content(self, tmp_path, changes, code):
        (refusal,) = _read(tmp_path, _enrollment(**changes))
        assert isinstance(refusal, Refusal)
        assert (refusal.line_number, refusal.code) == (1, code)
        for value in ("19153032", "LUZ-001", "method-1"):
            assert value not in refusal.message

    @pytest.mark.parametrize("products", [[], ["LUZ-001"]])
    def test_a_method_may_name_no_product(self, tmp_path, products):
        (line,) = _read(tmp_path, _enrollment(products=products))
        assert isinstance(line, Event)
        assert line.kind == "enrollment"
        assert json.loads(line.fields["products"] or "") == products

    def test_products_may_be_left_out(self, tmp_path):
        content = {name: value for name, value in ENROLLMENT.items() if name != "products"}
        (line,) = _read(tmp_path, json.dumps(content).encode() + b"\n")
        assert isinstance(line, Event)
        assert line.kind == "enrollment"
        assert line.fields["products"] == "[]"

    def test_half_a_character_is_refused(self, tmp_path):
        for changes in ({"type": "\ud800"}, {"products": ["\ud800"]}):
            content = json.dumps({**ENROLLMENT, **changes}).encode() + b"\n"
            (refusal,) = _read(tmp_path, content)
            assert isinstance(refusal, Refusal)
            assert refusal.code in {"invalid_json", "invalid_products"}
