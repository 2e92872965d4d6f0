"""What cells show of identifiers, as Excel shows them."""

from __future__ import annotations

import pytest

from orchestration.formats.number_formats import show_number, show_text


@pytest.mark.parametrize(
    ("value", "number_format", "shown"),
    [
        (123456, "General", "123456"),
        (123456789012, "General", "123456789012"),
        (5.0, "0", "5"),
        (42, "00000", "00042"),
        (123456, "0000", "123456"),
        (123456, "00000-0", "12345-6"),
        (7, "00000-0", "00000-7"),
        (1234567, "#-###-###", "1-234-567"),
        (77, '"C"0000', "C0077"),
        (77, "\\C0000", "C0077"),
        (77, '"N° "#', "N° 77"),
        (77, "[Red]0000", "0077"),
        (77, "[$C-340A]0000;[Red]-0000", "C0077"),
        (77, '"C"General', "C77"),
        (77, '"C"@', "C77"),
        (765432103, "00\\.000\\.000-0", "76.543.210-3"),
        (-5, "000", "-005"),
        (-5, '000;"n"000', "n005"),
        (0, '000;-000;"nada"0', "nada0"),
        (7, "@", "7"),
        (7, "0_)", "7"),
        (7, "* 0", "7"),
        (7, "", "7"),
        (1234567, "#,##0", None),
        (12, "0.00", None),
        (12.5, "General", None),
        (123456789012, "0.00E+00", None),
        (12, "0%", None),
        (12, "# ?/?", None),
        (12, "dd/mm/yyyy", None),
        (12, "[>10]0;00", None),
        (12, '"oculto"', None),
        (12, ";;;", None),
        (0, "#", None),
        (12, "0 unidades", None),
    ],
)
def test_a_number_is_shown_by_its_format(
    value: float, number_format: str, shown: str | None
) -> None:
    assert show_number(value, number_format) == shown


@pytest.mark.parametrize(
    ("value", "number_format", "shown"),
    [
        ("AB-7", "General", "AB-7"),
        ("AB-7", "@", "AB-7"),
        ("7", '"C"@', "C7"),
        ("7", '0;-0;0;"C-"@', "C-7"),
        ("AB-7", "dd/mm/yyyy", "AB-7"),
        ("AB-7", '@;"nada"', None),
    ],
)
def test_a_text_is_shown_with_what_its_format_puts_around_it(
    value: str, number_format: str, shown: str | None
) -> None:
    assert show_text(value, number_format) == shown
