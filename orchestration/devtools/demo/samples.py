"""The sample organizations' files and the payment events, by day.

Every number is made from a fixed seed, so the demo always gives the same result. `STORY` describes
what happens on each day.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

DAYS = (date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4))

STORY = {
    DAYS[0]: (
        "All three organizations upload their first debts file; three rows are refused. Four "
        "customers of Lumina and two of Andes Seguros pay, three of them by bank charge, which "
        "takes days."
    ),
    DAYS[1]: (
        "Lumina's file replaces the former: one debt that it drops stays because its payment is "
        "in process, one stays because its row was refused. Andes Seguros updates a few debts and "
        "drops none by leaving them out. Colegio Pehuén's file would withdraw most of its base: "
        "it is held."
    ),
    DAYS[2]: (
        "Lumina learns that a bank charge was rejected and a card payment was reversed. Andes "
        "Seguros sends no file, and its base stays; a payment of Monday that is reported only now "
        "stands in its file of today. Colegio Pehuén sends a whole file again. Then the day is run "
        "again, and no file changes."
    ),
}

_GIVEN_NAMES = ("Ana", "Begoña", "Camila", "Diego", "Elías", "Fabián", "Inés", "José", "Lucía")
_FAMILY_NAMES = ("Muñoz", "Pérez", "Ibáñez", "Rojas", "Núñez", "Soto", "Araya", "Díaz", "Vera")


@dataclass(frozen=True)
class Debt:
    """A debt as its organization knows it; `amount` in whole pesos."""

    number: int
    customer_id: str
    product_id: str
    due_date: date
    amount: int
    name: str


@dataclass(frozen=True)
class SampleFile:
    """A file in an organization's inbox."""

    organization_id: str
    name: str
    content: bytes


def files_of(day: date) -> list[SampleFile]:
    """Return the files that the organizations upload before a business date is run."""
    index = DAYS.index(day)
    return [
        file
        for make in (_lumina_file, _andes_seguros_file, _colegio_pehuen_file)
        if (file := make(index)) is not None
    ]


def events_of(day: date) -> str:
    """Return the events that the payment processors report before a business date, one JSON object
    per line.
    """
    lumina, andes, pehuen = lumina_debts(), andes_seguros_debts(), colegio_pehuen_debts()
    events: dict[date, list[dict[str, str | int | None]]] = {
        DAYS[0]: [
            _event("lumina", lumina[1], 1, DAYS[0], "pac", "in_process"),
            _event("lumina", lumina[2], 2, DAYS[0], "pac", "in_process"),
            _event("lumina", lumina[3], 3, DAYS[0], "pac", "sent_to_bank"),
            _event("lumina", lumina[4], 4, DAYS[0], "webpay", "authorized"),
            _event("andes_seguros", andes[1], 5, DAYS[0], "khipu", "authorized"),
            _event("andes_seguros", andes[2], 6, DAYS[0], "servipag", "paid"),
        ],
        DAYS[1]: [
            _event("lumina", lumina[2], 2, DAYS[1], "pac", "authorized"),
            _event("lumina", lumina[3], 3, DAYS[1], "pac", "rejected", "Fondos insuficientes"),
            _event("andes_seguros", andes[3], 7, DAYS[1], "webpay", "authorized"),
            _event("colegio_pehuen", pehuen[1], 8, DAYS[1], "pat", "in_process"),
            _event("colegio_pehuen", pehuen[2], 9, DAYS[1], "caja_los_andes", "authorized"),
        ],
        DAYS[2]: [
            _event("lumina", lumina[1], 1, DAYS[2], "pac", "rejected", "Cuenta cerrada"),
            _event("lumina", lumina[4], 4, DAYS[2], "webpay", "reversed", "Contracargo"),
            _event("colegio_pehuen", pehuen[1], 8, DAYS[2], "pat", "authorized"),
            # # late: from two days before
            _event("andes_seguros", andes[4], 10, DAYS[1], "webpay", "authorized"),
        ],
    }
    return "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in events[day])


def _lumina_file(index: int) -> SampleFile:
    debts = lumina_debts()
    listed = {number: debt for number, debt in debts.items() if number <= 120}  # noqa: PLR2004
    header = ["rut", "producto", "fecha_vencimiento", "monto", "anulado", "nombre", "sucursal"]
    void_number = 17 if index == 2 else None  # noqa: PLR2004
    broken_number = 15 if index == 1 else None
    if index >= 1:
        for number in (1, 5, 6, 7, 8, 9):
            del listed[number]
        for number in range(10, 15):
            listed[number] = replace(listed[number], amount=listed[number].amount + 1500)
        for number in range(121, 127):
            listed[number] = debts[number]

    def row(debt: Debt) -> list[str]:
        return [
            _dotted(debt.customer_id) if debt.number % 3 else debt.customer_id,
            debt.product_id,
            debt.due_date.isoformat(),
            "pendiente" if debt.number == broken_number else f"{debt.amount}",
            "si" if debt.number == void_number else "",
            debt.name,
            ("Ñuñoa", "Maipú", "Providencia")[debt.number % 3],
        ]

    rows = [row(debt) for debt in listed.values()]
    if index == 0:
        rows.append(["11.111.111-2", "LUZ-999", "2026-03-20", "12990", "", "Sin Dígito", "Maipú"])
    content = _csv(header, rows, ",").encode("utf-8-sig")
    return SampleFile("lumina", f"{DAYS[index]}_toku_invoices.csv", content)


def _andes_seguros_file(index: int) -> SampleFile | None:
    debts = andes_seguros_debts()
    header = ["Vencimiento", "RUT Cliente", "Póliza", "Importe", "Nombre", "Corredor"]

    def row(debt: Debt) -> list[str]:
        amount = f"{debt.amount:,}".replace(",", ".") + ",00"
        due_date = f"{debt.due_date:%d-%m-%Y}"
        return [due_date, debt.customer_id, debt.product_id, amount, debt.name, "Peñalolén & Cía."]

    if index == 0:
        rows = [row(debt) for number, debt in debts.items() if number <= 80]  # noqa: PLR2004
        rows.append(["15-03-2026", "12345678-5", "POL-9001", "-4.500,00", "Negativo", ""])
        rows.append(["2026/03/15", "12345678-5", "POL-9002", "4.500,00", "Otra Fecha", ""])
    elif index == 1:
        changed = [
            replace(debts[number], amount=debts[number].amount + 990) for number in range(10, 20)
        ]
        rows = [row(debt) for debt in changed] + [row(debts[number]) for number in range(81, 86)]
    else:
        return None
    content = _csv(header, rows, ";", "\r\n").encode("cp1252")
    return SampleFile("andes_seguros", f"{DAYS[index]}_toku_invoices.csv", content)


def _colegio_pehuen_file(index: int) -> SampleFile:
    debts = colegio_pehuen_debts()
    numbers = {0: range(1, 61), 1: range(1, 16), 2: range(3, 63)}[index]
    header = ["ID cliente", "Producto", "Fecha de vencimiento", "Monto", "Nombre", "Curso"]
    rows = [
        [
            debt.customer_id,
            debt.product_id,
            f"{debt.due_date:%d/%m/%Y}",
            f"{debt.amount}.00",
            debt.name,
            f"{1 + debt.number % 8}° básico",
        ]
        for debt in (debts[number] for number in numbers)
    ]
    content = _csv(header, rows, "|").encode()
    return SampleFile("colegio_pehuen", f"{DAYS[index]}_toku_invoices.csv", content)


def lumina_debts() -> dict[int, Debt]:
    """The debts owed to Lumina, by number, as first listed."""
    return _debts(126, "lumina", lambda number, _: f"LUZ-{number:03d}", _make_rut)


def andes_seguros_debts() -> dict[int, Debt]:
    """The debts owed to Andes Seguros, by number, as first listed."""
    return _debts(85, "andes", lambda number, _: f"POL-{7000 + number}", _make_rut)


def colegio_pehuen_debts() -> dict[int, Debt]:
    """The debts owed to Colegio Pehuén, by number, as first listed."""
    return _debts(
        62, "pehuen", lambda number, _: f"MENS-{3 + number % 3}", lambda n, _: f"AL-{n:04d}"
    )


def _debts(
    count: int,
    seed: str,
    product: Callable[[int, random.Random], str],
    customer: Callable[[int, random.Random], str],
) -> dict[int, Debt]:
    chance = random.Random(seed)  # noqa: S311 (samples, not secrets)
    return {
        number: Debt(
            number=number,
            customer_id=customer(number, chance),
            product_id=product(number, chance),
            due_date=DAYS[0] + timedelta(days=chance.randrange(5, 40)),
            amount=chance.randrange(80, 900) * 100,
            name=f"{chance.choice(_GIVEN_NAMES)} {chance.choice(_FAMILY_NAMES)}",
        )
        for number in range(1, count + 1)
    }


def _event(
    organization_id: str,
    debt: Debt,
    payment: int,
    day: date,
    channel: str,
    status: str,
    reason: str | None = None,
) -> dict[str, str | int | None]:
    return {
        "event_id": f"evt-{payment:04d}-{status}",
        "occurred_at": f"{day - timedelta(days=1)}T{9 + payment}:30:00-03:00",
        "organization_id": organization_id,
        "payment_id": f"pay-{payment:04d}",
        "customer_id": debt.customer_id,
        "product_id": debt.product_id,
        "due_date": debt.due_date.isoformat(),
        "amount": debt.amount,
        "currency": "CLP",
        "channel": channel,
        "status": status,
        "reason": reason,
    }


def _make_rut(_: int, chance: random.Random) -> str:
    body = chance.randrange(5_000_000, 25_000_000)
    weighted = sum(int(digit) * (2 + place % 6) for place, digit in enumerate(str(body)[::-1]))
    return f"{body}-{'0K987654321'[weighted % 11]}"


def _dotted(rut: str) -> str:
    body, digit = rut.split("-")
    return f"{int(body):,}".replace(",", ".") + f"-{digit.lower()}"


def _csv(
    header: Sequence[str], rows: Sequence[Sequence[str]], delimiter: str, line_end: str = "\n"
) -> str:
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
