"""Histories of one organization, drawn at random: its loads of files, payment events, decisions.

One generator, `draw_history`, asks a `Choices` for whole numbers. Hypothesis backs it where a
failure is to be shrunk (`histories`), a seeded `random.Random` where many organizations run in
one warehouse at once (`draw_many`). The pools of customers, products and dates are small, so that
files, rows and events meet.

Business dates follow load numbers (`business_date`), so that the histories of many organizations
share their loads. What a history leads to is the business of `oracle`.
"""

from __future__ import annotations

import csv
import io
import json
import random
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from itertools import islice, product
from typing import Protocol, TypeVar

from hypothesis import strategies as st

from tests.orchestration.oracle import (
    FIELDS,
    LONGEST_ATTRIBUTE,
    STATES,
    FileReference,
    Key,
    normal_id,
    normalize_customer_id,
    replay,
    text_of_rut,
)

FIRST_BUSINESS_DATE = date(2026, 3, 1)
PAYMENTS_HEADER = ("customer_id", "product_id", "due_date", "amount")
UNKNOWN_STATUSES = ("on_hold", "autorizada?")

T = TypeVar("T")


@dataclass(frozen=True)
class Contract:
    """The part of an organization's contract that decides about debts and payments (R11)."""

    organization_id: str = "lumina"
    update_mode: str = "replace"
    customer_id_scheme: str = "rut"
    currency: str = "CLP"
    max_withdrawal_share: Decimal = Decimal("0.5")
    max_rejected_share: Decimal = Decimal("0.2")
    payment_flow: str = "in_process"


@dataclass(frozen=True)
class IntakeFile:
    """A file of an organization; equal files are equal bytes.

    Args:
        kind: `invoices` or `payments`.
        business_date: the date in its name.
        header: the names of its columns.
        records: the cells of each record as text, in the order of the header.
        has_line_end: whether the last line has its end, which a file that was cut off has not.

    """

    kind: str
    business_date: date
    header: tuple[str, ...]
    records: tuple[tuple[str, ...], ...]
    has_line_end: bool = True

    @property
    def name(self) -> str:
        return f"{self.business_date.isoformat()}_toku_{self.kind}.csv"


@dataclass(frozen=True)
class PaymentEvent:
    """A payment event; customer id, amount and status are raw text, `occurred_at` has an offset."""

    event_id: str
    occurred_at: datetime
    payment_id: str
    customer_id: str
    product_id: str
    due_date: date
    amount: str
    status: str
    currency: str = "CLP"
    channel: str = "webpay"
    reason: str | None = None


@dataclass(frozen=True)
class Decision:
    """An operator's word on a held file (R17): `approved` or `refused`."""

    file: FileReference
    decision: str


@dataclass(frozen=True)
class Load:
    """What one load brings for the organization; decisions come before its files.

    Args:
        invoices: its debts file, if there is one.
        payments: its own payments files, no two of one name.
        events: in the order in which they are loaded.
        decisions: on files of earlier loads.

    """

    invoices: IntakeFile | None = None
    payments: tuple[IntakeFile, ...] = ()
    events: tuple[PaymentEvent, ...] = ()
    decisions: tuple[Decision, ...] = ()

    @property
    def files(self) -> tuple[IntakeFile, ...]:
        return (*((self.invoices,) if self.invoices else ()), *self.payments)


@dataclass(frozen=True)
class History:
    """All that happens to one organization, load by load; load 1 is the first."""

    contract: Contract
    loads: tuple[Load, ...]


class Choices(Protocol):
    """Where the randomness comes from."""

    def integer(self, low: int, high: int) -> int:
        """Draw a whole number from low to high, both included; the lower, the simpler."""

    def together(self, part: Callable[[], T]) -> T:
        """Draw a part of the history that may be left out as a whole when it is shrunk."""


@dataclass(frozen=True)
class RandomChoices:
    """Choices of a seeded generator."""

    generator: random.Random

    def integer(self, low: int, high: int) -> int:
        return self.generator.randint(low, high)

    def together(self, part: Callable[[], T]) -> T:
        return part()


@dataclass(frozen=True)
class HypothesisChoices:
    """Choices that hypothesis makes, and shrinks."""

    draw: st.DrawFn

    def integer(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def together(self, part: Callable[[], T]) -> T:
        return self.draw(st.builds(part))


@st.composite
def histories(draw: st.DrawFn, organization_id: str = "lumina") -> History:
    """Draw histories that shrink towards fewer loads, files, rows and oddities."""
    return draw_history(HypothesisChoices(draw), organization_id)


def draw_many(seed: int, count: int) -> Iterator[History]:
    """Draw independent histories of the organizations `org_000`, `org_001`, ...

    The same seed gives the same histories, whatever the count. All share customers, products,
    payment ids, event ids and file names.
    """
    for number in range(count):
        organization_id = f"org_{number:03d}"
        generator = random.Random(f"{seed} {organization_id}")
        yield draw_history(RandomChoices(generator), organization_id)


def draw_long(seed: int, count: int, load_count: int) -> Iterator[History]:
    """Draw independent histories as draw_many does, but with a given number of loads."""
    for number in range(count):
        organization_id = f"org_{number:03d}"
        choices = RandomChoices(random.Random(f"{seed} {organization_id}"))
        contract = _draw_contract(choices, organization_id)
        story = _Story(choices, contract, _draw_keys(choices, contract))
        for _ in range(load_count):
            story.add_load()
        yield History(contract, tuple(story.loads))


def draw_short(seed: int, count: int) -> list[History]:
    """Draw histories as draw_many does, of three loads, with decisions in the last one only."""
    drawn = (
        history
        for history in draw_many(seed, 1_000)
        if len(history.loads) == 3 and not history.loads[1].decisions
    )
    return list(islice(drawn, count))


def business_date(load_number: int) -> date:
    """Give the business date of a load; load 1 is of FIRST_BUSINESS_DATE."""
    return FIRST_BUSINESS_DATE + timedelta(days=load_number - 1)


def csv_bytes(file: IntakeFile) -> bytes:
    """Write a file as it is uploaded: UTF-8, commas, a header, one line for each record."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([file.header, *file.records])
    return text.getvalue().removesuffix("" if file.has_line_end else "\n").encode("utf-8")


def json_line(organization_id: str, event: PaymentEvent) -> str:
    """Write an event as a line of `events/*.jsonl`, without its line end."""
    amount = Decimal(event.amount)
    values = {
        "event_id": event.event_id,
        "occurred_at": event.occurred_at.isoformat(),
        "organization_id": organization_id,
        "payment_id": event.payment_id,
        "customer_id": event.customer_id,
        "product_id": event.product_id,
        "due_date": event.due_date.isoformat(),
        "amount": int(amount) if amount == int(amount) else float(amount),
        "currency": event.currency,
        "channel": event.channel,
        "status": event.status,
        "reason": event.reason,
    }
    return json.dumps(values, ensure_ascii=False)


def describe(history: History) -> str:
    """Write a history for a reader: each load with its decisions, files and events."""
    lines = [str(history.contract)]
    for load_number, load in enumerate(history.loads, start=1):
        lines.append(f"load {load_number}, {business_date(load_number)}")
        lines += [f"  {each.decision} {each.file}" for each in load.decisions]
        for file in load.files:
            lines.append(f"  {file.name}")
            lines += [f"    {line}" for line in csv_bytes(file).decode().splitlines()]
        lines += [f"  {json_line(history.contract.organization_id, each)}" for each in load.events]
    return "\n".join(lines)


def draw_history(choices: Choices, organization_id: str) -> History:
    """Draw one history of three to six loads."""
    contract = _draw_contract(choices, organization_id)
    story = _Story(choices, contract, _draw_keys(choices, contract))
    _several(choices, 3, 6, 70, story.add_load)
    return History(contract, tuple(story.loads))


# --- choices in other shapes -------------------------------------------------------------------


def _happens(choices: Choices, percent: int) -> bool:
    return choices.integer(0, 99) >= 100 - percent


def _pick(choices: Choices, options: Sequence[T]) -> T:
    return options[choices.integer(0, len(options) - 1) if len(options) > 1 else 0]


def _pick_weighted(choices: Choices, options: Sequence[tuple[int, T]]) -> T:
    """Pick one of (weight, option), the simplest first."""
    rest = choices.integer(0, sum(weight for weight, _ in options) - 1)
    for weight, option in options:
        if rest < weight:
            return option
        rest -= weight
    raise AssertionError("the weights do not cover the number drawn")


def _several(
    choices: Choices, low: int, high: int, percent: int, draw_element: Callable[[], T]
) -> list[T]:
    """Draw `low` elements at least, then as long as it happens, `high` at most."""
    elements: list[T] = []

    def draw_next() -> bool:
        if not _happens(choices, percent) and len(elements) >= low:
            return False
        elements.append(draw_element())
        return True

    while len(elements) < high and choices.together(draw_next):
        pass
    return elements


# --- the pools ---------------------------------------------------------------------------------

# A check digit K, one figure only, a check digit 0, a plain one.
RUTS = tuple(text_of_rut(number) for number in (18441919, 1, 24041913, 24041903))
# Texts that a careless reader takes for one another.
EXTERNAL_IDS = ("AL-1", "al-1", "007", "7")
PRODUCTS = ("LUZ-1", "luz-1", "01", "Ñ, 1")
DUE_DATES = (date(2026, 3, 31), date(2026, 4, 30))
AMOUNTS = tuple(Decimal(text) for text in ("1000", "0", "1500.5", "123456.78", "1000.01"))
AMOUNTS_OF_UF = tuple(Decimal(text) for text in ("0.1234", "0", "2.5340", "1000.0101", "1000.01"))
ATTRIBUTE_NAMES = ("plan", "zona")
ATTRIBUTES = ("", "A", 'B, "norte"', "ñ" * LONGEST_ATTRIBUTE)


def _draw_contract(choices: Choices, organization_id: str) -> Contract:
    return Contract(
        organization_id,
        update_mode=_pick_weighted(choices, [(65, "replace"), (35, "upsert")]),
        customer_id_scheme=_pick(choices, ("external_id", "rut")),
        currency=_pick_weighted(choices, [(4, "CLP"), (4, "PEN"), (2, "CLF")]),
        max_withdrawal_share=Decimal(_pick_weighted(choices, [(4, "0.5"), (4, "1"), (2, "0.2")])),
        max_rejected_share=Decimal(_pick_weighted(choices, [(3, "0.2"), (4, "1"), (3, "0.5")])),
        payment_flow=_pick_weighted(choices, [(7, "in_process"), (3, "instant")]),
    )


def _draw_keys(choices: Choices, contract: Contract) -> list[Key]:
    """Draw two to eight keys, any two of which may differ in one part only."""
    customers = RUTS if contract.customer_id_scheme == "rut" else EXTERNAL_IDS
    first_customer = _pick(choices, (0, 2))
    first_product = _pick(choices, (0, 2))
    keys = product(
        customers[first_customer : first_customer + 2],
        PRODUCTS[first_product : first_product + 2],
        DUE_DATES,
    )
    return _several(choices, 2, 8, 80, lambda: Key(*next(keys)))


@dataclass
class _Story:
    """A history in the making: what the organization has said so far colors what it says next."""

    choices: Choices
    contract: Contract
    keys: list[Key]
    loads: list[Load] = field(default_factory=list)
    events: list[PaymentEvent] = field(default_factory=list)
    amounts: dict[Key, Decimal] = field(default_factory=dict)
    attributes: dict[tuple[Key, str], str] = field(default_factory=dict)
    attribute_names: tuple[str, ...] = ()
    payment_keys: dict[str, list[Key]] = field(default_factory=dict)

    def add_load(self) -> None:
        decisions = self._draw_decisions()
        # An approved file is the load's debts file.
        is_taken = any(decision.decision == "approved" for decision in decisions)
        invoices = None if is_taken else self._draw_invoices_file()
        payments = {
            file.name: file for file in _several(self.choices, 0, 2, 30, self._draw_payments_file)
        }
        loaded_before = len(self.events)
        _several(self.choices, 0, 6, 70, self._add_event)
        events = tuple(self.events[loaded_before:])
        self.loads.append(Load(invoices, tuple(payments.values()), events, decisions))

    @property
    def today(self) -> date:
        return business_date(len(self.loads) + 1)

    def _received(self, kind: str) -> list[IntakeFile]:
        return [file for load in self.loads for file in load.files if file.kind == kind]

    # decisions

    def _draw_decisions(self) -> tuple[Decision, ...]:
        outcomes = replay(History(self.contract, tuple(self.loads)))
        verdicts = outcomes[-1].verdicts if outcomes else {}
        held = [file for file, verdict in verdicts.items() if verdict.status == "held"]
        if not held or not _happens(self.choices, 45):
            return ()
        decision = _pick_weighted(self.choices, [(65, "approved"), (35, "refused")])
        return (Decision(_pick(self.choices, held), decision),)

    # debts files

    def _draw_invoices_file(self) -> IntakeFile | None:
        received = self._received("invoices")
        if not received:
            is_missing = _happens(self.choices, 10)
            return None if is_missing else self._draw_new_invoices(self.today)
        origin = _pick_weighted(
            self.choices,
            [
                (12, "none"),
                (46, "today"),
                (14, "late"),
                (12, "correction"),
                (10, "again"),
                (6, "unchanged"),
            ],
        )
        if origin == "none":
            return None
        if origin == "again":  # a duplicate, or back to what a correction replaced
            return _pick(self.choices, received)
        if origin == "unchanged":  # the bytes of the last file under today's name
            last = received[-1]
            return replace(last, business_date=self.today)
        if origin == "correction":
            return self._draw_new_invoices(max(file.business_date for file in received))
        return self._draw_new_invoices(self.today if origin == "today" else self._draw_past_date())

    def _draw_past_date(self) -> date:
        return self.today - timedelta(days=self.choices.integer(1, len(self.loads) + 1))

    def _draw_new_invoices(self, file_date: date) -> IntakeFile:
        choices = self.choices
        if _happens(choices, 25):
            self.attribute_names = _pick(
                choices, ((), ATTRIBUTE_NAMES[:1], ATTRIBUTE_NAMES, ATTRIBUTE_NAMES[::-1])
            )
        mood = _pick_weighted(
            choices, [(68, "ordinary"), (14, "shrunken"), (13, "messy"), (5, "empty")]
        )
        weights = {  # of: absent, listed, refused, twice
            "ordinary": (12, 74, 7, 7),
            "shrunken": (70, 25, 3, 2),
            "messy": (10, 40, 40, 10),
            "empty": (1, 0, 0, 0),
        }[mood]
        rows: list[dict[str, str]] = []
        extra_rows: list[dict[str, str]] = []
        for key in self.keys:
            fate = _pick_weighted(
                choices, list(zip(weights, ("absent", "listed", "refused", "twice"), strict=True))
            )
            if fate != "absent":
                rows.append(self._draw_row(key, is_refused=fate == "refused"))
            if fate == "twice":
                extra_rows.append(self._draw_row(key, is_refused=_happens(choices, 25)))
        rows += extra_rows
        if _happens(choices, 20):
            rows.reverse()
        header = (*FIELDS, *self.attribute_names)
        is_cut = _happens(choices, 12)
        if is_cut:  # within the last amount
            header = tuple(sorted(header, key="amount".__eq__))
            for row in rows[-1:]:
                row["amount"] = row["amount"][: choices.integer(1, max(len(row["amount"]), 1))]
        records = tuple(tuple(row[name] for name in header) for row in rows)
        return IntakeFile("invoices", file_date, header, records, has_line_end=not is_cut)

    def _draw_row(self, key: Key, *, is_refused: bool) -> dict[str, str]:
        choices = self.choices
        if key not in self.amounts or _happens(choices, 20):
            self.amounts[key] = self._draw_amount()
        for name in self.attribute_names:
            if (key, name) not in self.attributes or _happens(choices, 10):
                self.attributes[key, name] = _pick(choices, ATTRIBUTES)
        is_paid, is_void = _pick_weighted(
            choices,
            [(86, (False, False)), (7, (True, False)), (6, (False, True)), (1, (True, True))],
        )
        row = self._write_cells(
            {
                **self._key_forms(key),
                "amount": self._amount_forms(self.amounts[key]),
                "is_paid": TRUE_FORMS if is_paid else FALSE_FORMS,
                "is_void": TRUE_FORMS if is_void else FALSE_FORMS,
            }
        )
        row.update({name: self.attributes[key, name] for name in self.attribute_names})
        if is_refused:
            row.update(_several(choices, 1, 2, 25, lambda: self._draw_fault(key)))
        return row

    def _draw_fault(self, key: Key) -> tuple[str, str]:
        """Draw what makes a row refused: a column and its text (R15)."""
        too_small = "0.00001" if self.contract.currency == "CLF" else "0.001"
        faults: list[tuple[int, tuple[str, Sequence[str]]]] = [
            (
                6,
                (
                    "amount",
                    ("", "mil", f"1{too_small}", "1.000,50", "NaN", "2.534", f"-{too_small}"),
                ),
            ),
            (4, ("amount", ("-1", "-0.01", " -1000.00", "1000-"))),
            (3, ("is_paid", ("quizás", "2", "sip"))),
            (2, ("is_void", ("-", "nunca"))),
            (4, ("product_id", ("", " \u200b ", "1,23457E+11", "1.2 e 5", "123,0", "NULL"))),
            (2, ("due_date", ("", "2026-02-30", "31-03-2026", "pronto"))),
            (4, ("customer_id", ("", "\u00a0", "1.23457E11", "1E+05", "184419190.0", "<NA>"))),
        ]
        if self.contract.customer_id_scheme == "rut":
            faults.append((3, ("customer_id", (_with_wrong_digit(key.customer_id), "AL-1"))))
        if self.attribute_names:
            too_long = "ñ" * (LONGEST_ATTRIBUTE + 1)
            faults.append((3, (self.attribute_names[0], (too_long,))))
        column, texts = _pick_weighted(self.choices, faults)
        return column, _pick(self.choices, texts)

    # the organization's own payments files

    def _draw_payments_file(self) -> IntakeFile:
        choices = self.choices
        received = self._received("payments")
        origin = _pick_weighted(
            choices, [(50, "today"), (15, "late"), (20, "correction"), (15, "again")]
        )
        if origin == "again" and received:
            return _pick(choices, received)
        file_date = self.today
        if origin == "late":
            file_date = self._draw_past_date()
        elif origin == "correction" and received:
            file_date = received[-1].business_date
        records = _several(choices, 0, 4, 60, self._draw_payments_record)
        return IntakeFile("payments", file_date, PAYMENTS_HEADER, tuple(records))

    def _draw_payments_record(self) -> tuple[str, ...]:
        choices = self.choices
        key = self._draw_payable_key()
        any_amount = self._draw_amount()
        amount = _pick_weighted(choices, [(6, self.amounts.get(key, any_amount)), (4, any_amount)])
        forms = self._amount_forms(amount)
        row = self._write_cells({**self._key_forms(key), "amount": forms})
        if _happens(choices, 15):
            row[_pick(choices, PAYMENTS_HEADER[:3])] = ""
        elif _happens(choices, 10):
            row["amount"] = _pick(choices, ("", "1000x", "1.000.-"))
        elif _happens(choices, 30):  # taken back
            row["amount"] = _pick(choices, (f"-{amount}", f"{forms[1]}-", "-5"))
        return tuple(row.values())

    def _draw_payable_key(self) -> Key:
        """Draw a key that files list, at times one that none ever does."""
        return _pick(self.choices, [*self.keys, self.keys[0]._replace(product_id="NEVER-1")])

    # payment events

    def _add_event(self) -> None:
        self.events.append(self._draw_event())

    def _draw_event(self) -> PaymentEvent:
        choices = self.choices
        event_id = f"event-{len(self.events) + 1}"
        if self.events and _happens(choices, 15):
            former = _pick(choices, self.events)
            if _happens(choices, 65):
                return former
            event_id = former.event_id  # with other content: the first loaded counts
        payment_id, key = self._draw_part()
        former = [each for each in self.events if self._part_of(each) == (payment_id, key)]
        state = _pick_weighted(choices, _NEXT_STATES[_state_of(former[-1]) if former else ""])
        texts = [raw for raw, mapped in STATES.items() if mapped == state] or UNKNOWN_STATUSES
        is_foreign = _happens(choices, 3)
        amount = self._draw_event_amount(state, former)
        return PaymentEvent(
            event_id=event_id,
            occurred_at=self._draw_instant(),
            payment_id=payment_id,
            customer_id=_pick(choices, self._key_forms(key)["customer_id"]),
            product_id=_pick(choices, self._key_forms(key)["product_id"]),
            due_date=key.due_date,
            amount=str(round(amount, 2) if is_foreign else amount),
            status=_pick(choices, texts),
            currency="USD" if is_foreign else self.contract.currency,
            channel=_pick(choices, ("webpay", "pac", "caja_los_andes")),
            reason=_pick(choices, (None, "fondos insuficientes")) if state == "rejected" else None,
        )

    def _draw_part(self) -> tuple[str, Key]:
        """Draw a payment and one of the one to four debts that it pays, at times another debt."""
        choices = self.choices
        if self.events and _happens(choices, 55):
            return self._part_of(_pick(choices, self.events))
        payment_id = _pick(choices, ("pay-1", "pay-2", "pay-3", "pay-4"))
        if payment_id not in self.payment_keys:
            self.payment_keys[payment_id] = _several(choices, 1, 4, 50, self._draw_payable_key)
        if _happens(choices, 5):
            return payment_id, self._draw_payable_key()
        return payment_id, _pick(choices, self.payment_keys[payment_id])

    def _part_of(self, event: PaymentEvent) -> tuple[str, Key]:
        scheme = self.contract.customer_id_scheme
        customer_id = normalize_customer_id(scheme, event.customer_id) or event.customer_id
        return event.payment_id, Key(customer_id, normal_id(event.product_id), event.due_date)

    def _draw_event_amount(self, state: str, former: Sequence[PaymentEvent]) -> Decimal:
        """Draw an amount: mostly the one paid; of a reversal also a part of it, or the rest."""
        choices = self.choices
        any_amount = self._draw_amount()
        paid = next(
            (Decimal(e.amount) for e in reversed(former) if _state_of(e) != "reversed"), None
        )
        if paid is None:
            return any_amount
        if state != "reversed":
            return _pick_weighted(choices, [(85, paid), (15, any_amount)])
        taken_back = sum(Decimal(e.amount) for e in former if _state_of(e) == "reversed")
        a_quarter = (paid / 4).quantize(self._smallest)
        rest = max(paid - taken_back, Decimal(0))
        return _pick_weighted(choices, [(40, paid), (35, a_quarter), (20, rest), (5, any_amount)])

    def _draw_instant(self) -> datetime:
        """Draw one of four instants a day, of today, late, or by a clock that is days ahead,
        written with one of two offsets.
        """
        quarter = self.choices.integer(0, 3)
        day = self._draw_past_date() if _happens(self.choices, 35) else self.today
        if _happens(self.choices, 4):
            day = self.today + timedelta(days=self.choices.integer(1, 9))
        instant = datetime(day.year, day.month, day.day, 6 * quarter, tzinfo=UTC)
        offset = _pick(self.choices, (0, -3))
        return instant.astimezone(timezone(timedelta(hours=offset)))

    # one value, many texts

    @property
    def _smallest(self) -> Decimal:
        """The smallest amount of the contract's currency."""
        return Decimal("0.0001" if self.contract.currency == "CLF" else "0.01")

    def _draw_amount(self) -> Decimal:
        is_uf = self.contract.currency == "CLF"
        return _pick(self.choices, AMOUNTS_OF_UF if is_uf else AMOUNTS)

    def _amount_forms(self, amount: Decimal) -> Sequence[str]:
        return (str(amount), str(amount.quantize(self._smallest)), f"{amount:.4f}")

    def _key_forms(self, key: Key) -> dict[str, Sequence[str]]:
        customer_id: Sequence[str] = (key.customer_id,)
        if self.contract.customer_id_scheme == "rut":
            number, _, digit = key.customer_id.partition("-")
            dotted = f"{int(number):,}".replace(",", ".")
            customer_id = (
                key.customer_id,
                f"{dotted}-{digit.lower()}",
                f"00{number}-{digit}",
                f"0{dotted}-{digit}",
            )
        else:
            customer_id = _spellings(key.customer_id)
        return {
            "customer_id": customer_id,
            "product_id": _spellings(key.product_id),
            "due_date": (key.due_date.isoformat(),),
        }

    def _write_cells(self, forms: Mapping[str, Sequence[str]]) -> dict[str, str]:
        """Write each cell in its first form, or a row with each in any form, some with spaces."""
        if not _happens(self.choices, 40):
            return {name: texts[0] for name, texts in forms.items()}
        cells = {name: _pick(self.choices, texts) for name, texts in forms.items()}
        padded = _pick(self.choices, (None, *forms))
        return {name: f" {text}\u00a0 " if name == padded else text for name, text in cells.items()}


def _spellings(id_: str) -> Sequence[str]:
    """Write an id as people see it, and in other ways that look the same (R1)."""
    return (
        id_,
        f"{id_}\u00a0",
        f"\t{id_[0]}\u200b{id_[1:]}",
        f'="{id_}"',
        unicodedata.normalize("NFD", id_.replace(" ", "\u202f\u00a0").replace("-", "\u2011")),
        *((f"'{id_}",) if id_[0] in "0123456789" else ()),
    )


# After what, what comes next; an empty state is one that nobody knows.
_NEXT_STATES: Mapping[str, Sequence[tuple[int, str]]] = {
    "": ((45, "in_process"), (35, "authorized"), (8, "rejected"), (4, "reversed"), (8, "")),
    "in_process": (
        (15, "in_process"),
        (55, "authorized"),
        (18, "rejected"),
        (7, "reversed"),
        (5, ""),
    ),
    "authorized": (
        (55, "reversed"),
        (20, "authorized"),
        (10, "in_process"),
        (10, "rejected"),
        (5, ""),
    ),
    "rejected": (
        (40, "in_process"),
        (35, "authorized"),
        (10, "rejected"),
        (10, "reversed"),
        (5, ""),
    ),
    "reversed": (
        (45, "reversed"),
        (35, "authorized"),
        (10, "in_process"),
        (5, "rejected"),
        (5, ""),
    ),
}


def _state_of(event: PaymentEvent) -> str:
    return STATES.get(event.status, "")


TRUE_FORMS = ("true", "1", "SÍ", "si", "SI\u0301", "S", "X", "Verdadero", "v", "yes", "t", "Y")
FALSE_FORMS = ("", "false", "0", "No", "FALSO", "f", "n")


def _with_wrong_digit(rut: str) -> str:
    number, _, digit = rut.partition("-")
    return f"{number}-{'1' if digit != '1' else '2'}"
