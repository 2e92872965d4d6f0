"""What each column of a file is taken for, as it is kept with the file (R12)."""

from __future__ import annotations

import time

import pytest

from orchestration.contracts.organizations import Aliases
from orchestration.formats.file_columns import (
    Column,
    Layout,
    describe_columns,
    map_columns,
    name_attributes,
)

FIELDS = {
    ("", "invoices", "rut"): "customer_id",
    ("", "invoices", "producto"): "product_id",
    ("", "invoices", "vencimiento"): "due_date",
    ("", "invoices", "monto"): "amount",
    ("lumina", "invoices", "saldo"): "amount",
}


@pytest.mark.parametrize(
    ("names", "described"),
    [
        (
            ("RUT", "Producto", "Vencimiento", "Monto"),
            ["customer_id", "product_id", "due_date", "amount"],
        ),
        # an own alias is the field, the general one is kept; so are a second name and no name
        (
            ("monto", "saldo", "nota", "nota", "", "rut", "producto", "vencimiento"),
            [
                "monto",
                "amount",
                "nota",
                "nota_2",
                "column_5",
                "customer_id",
                "product_id",
                "due_date",
            ],
        ),
        # what cannot be printed is a blank
        (
            ("rut", "producto", "vencimiento", "monto", "a\x00b"),
            ["customer_id", "product_id", "due_date", "amount", "a b"],
        ),
    ],
)
def test_each_column_is_a_field_or_kept_under_its_name(
    names: tuple[str, ...], described: list[str]
) -> None:
    layout = Layout("lumina", "invoices", ";", "rut")
    columns = map_columns(names, layout, Aliases(FIELDS))
    attributes = name_attributes(names, columns, len(names))
    fields = set(FIELDS.values())
    assert describe_columns(names, columns, attributes) == tuple(
        Column(
            number,
            name.replace("\x00", " "),
            said if said in fields else None,
            None if said in fields else said,
        )
        for number, (name, said) in enumerate(zip(names, described, strict=True), start=1)
    )


def test_a_column_that_is_not_kept_is_not_described() -> None:
    described = describe_columns(("rut", "", "monto"), {"customer_id": 0, "amount": 2}, [])
    assert [(column.column_number, column.field) for column in described] == [
        (1, "customer_id"),
        (3, "amount"),
    ]


@pytest.mark.parametrize("name", ["a", "a" * 300])
def test_columns_of_one_name_are_numbered_without_counting_anew(name: str) -> None:
    count = 50_000
    base, own = name[:256], f"{name[:256]}_3"
    began = time.process_time()
    attributes = dict(name_attributes([name] * count + [own], {}, count + 1))
    assert time.process_time() - began < 2
    numbers = [1, 2, *range(4, count + 2)]
    expected = {f"{base}_{number}" if number > 1 else base: at for at, number in enumerate(numbers)}
    assert attributes == {**expected, own: count}
