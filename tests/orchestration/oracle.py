"""What the rules for debts, payments files and exceptions (R1-R10, R15, R21-R25) make of one
organization's history.

Written from the contract alone, to be compared with what the models say. It is slow on purpose:
after each load it derives every debt anew from all files and events so far. Only what is a fact of
its time is carried from load to load: verdicts, what was published, and when exceptions opened.

`replay` is the way in; the values it reads are those of `histories`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

import holidays

if TYPE_CHECKING:
    from tests.orchestration.histories import Contract, Decision, History, IntakeFile, PaymentEvent

TRUE_TEXTS = frozenset(
    {"true", "t", "1", "s", "si", "sí", "si\u0301", "yes", "y", "x", "v", "verdadero"}
)
FALSE_TEXTS = frozenset({"", "false", "f", "0", "no", "n", "falso"})
LONGEST_ATTRIBUTE = 256
LONGEST_ID = 256
WORDS_FOR_NONE = frozenset({"NULL", "(null)", "nan", "NaN", "None", "<NA>"})
FIRST_YEAR, LAST_YEAR = 1990, 2100
FIELDS = ("customer_id", "product_id", "due_date", "amount", "is_paid", "is_void")
NO_ATTRIBUTES = frozenset({*FIELDS, "name", "mail"})

# Raw statuses that seeds/payment_statuses.csv maps, as far as histories use them (R21).
STATES: Mapping[str, str] = {
    "in_process": "in_process",
    "sent_to_bank": "in_process",
    "authorized": "authorized",
    "pagado": "authorized",
    "rejected": "rejected",
    "declined": "rejected",
    "reversed": "reversed",
    "refunded": "reversed",
}

# seeds/payment_channels.csv, as far as histories use it; no other channel has a norm (R25).
NORMAL_BUSINESS_DAYS: Mapping[str, int] = {"webpay": 0, "pac": 3}
BANK_HOLIDAYS = holidays.country_holidays("CL", categories=("public", "bank"))
TIME_ZONE = ZoneInfo("America/Santiago")
SATURDAY = 5


BLANK_CATEGORIES = ("Zs", "Zl", "Zp")
INVISIBLE_CATEGORIES = ("Cc", "Cf")


class Key(NamedTuple):
    """The key of a debt within its organization, its ids in their normal form (R1)."""

    customer_id: str
    product_id: str
    due_date: date


class FileReference(NamedTuple):
    """A received file: the load that brought it (1, 2, 3, ...) and its name."""

    load_number: int
    name: str


@dataclass(frozen=True)
class Debt:
    """A row of `debts`.

    Args:
        customer_id: as the row spelled it that made the debt known (R1).
        product_id: likewise.
        attributes: the columns beside the minimum that are not empty, None if there are none.
        file_status: what the organization's debts files alone say: `paid`, `void`, `listed`,
            `rejected_row` or `absent`.
        first_file: the file whose application made the debt known.

    """

    customer_id: str
    product_id: str
    due_date: date
    amount: Decimal
    currency: str
    status: str
    is_in_base: bool
    kept_because: str | None
    attributes: Mapping[str, str] | None
    file_status: str
    first_file: FileReference
    payment_id: str | None


class Verdict(NamedTuple):
    """`applied`, `superseded`, `held`, `refused` or `duplicate`, and why; applied has no code."""

    status: str
    code: str | None


class Line(NamedTuple):
    """A line of a payments file, without its number."""

    business_date: date
    payment_id: str
    key: Key
    status: str
    amount: Decimal
    currency: str


class Exceptional(NamedTuple):
    """What does not fit (R25): a code, a payment and the key of a debt.

    Args:
        currency: of money that no payments file has told, else empty.

    """

    code: str
    payment_id: str
    key: Key
    currency: str = ""


class Opening(NamedTuple):
    """The load in which an exception first came true, and whether it still is."""

    load_number: int
    is_open: bool


@dataclass(frozen=True)
class Outcome:
    """All that must be true after a load.

    Args:
        debts: every known debt.
        verdicts: of every file received so far, as it stands now.
        refused_rows: of every file received so far, line number and code of each refused row, in
            line order; the header is line 1.
        lines: of every payments file published so far, in the order of the files and of each one's
            lines.
        exceptions: every exception that was ever true.

    """

    debts: Mapping[Key, Debt]
    verdicts: Mapping[FileReference, Verdict]
    refused_rows: Mapping[FileReference, tuple[tuple[int, str], ...]]
    lines: tuple[Line, ...]
    exceptions: Mapping[Exceptional, Opening]


@dataclass(frozen=True)
class CheckedRow:
    """A row of a file after R15.

    Args:
        key: None when not all of it can be read.
        code: None when the row is valid.
        parts: those of the key that can be read, the others None.
        ids: the customer and the product as they are spelled.
        looks_negative: whether its amount has a minus before or after its digits, but not behind a
            point or a comma.

    """

    line_number: int
    key: Key | None
    code: str | None
    parts: tuple[str | None, str | None, date | None] = (None, None, None)
    ids: tuple[str, str] = ("", "")
    amount: Decimal = Decimal(0)
    is_paid: bool = False
    is_void: bool = False
    attributes: Mapping[str, str] | None = None
    is_without_amount: bool = False
    looks_negative: bool = False


@dataclass(frozen=True)
class ReceivedFile:
    """A file that a load brought."""

    reference: FileReference
    file: IntakeFile
    rows: tuple[CheckedRow, ...]

    @property
    def order(self) -> tuple[date, int]:
        """Debts files apply in (business date, received) order, one in a load (R8)."""
        return self.file.business_date, self.reference.load_number

    @property
    def valid_rows(self) -> dict[Key, CheckedRow]:
        return {row.key: row for row in self.rows if row.key and row.code is None}

    @property
    def readable_keys(self) -> set[Key]:
        return {row.key for row in self.rows if row.key}

    @property
    def partial_keys(self) -> set[tuple[str | None, str | None, date | None]]:
        """What can be read of the keys that cannot be read as a whole: customer or product (R5)."""
        parts = {row.parts for row in self.rows if not row.key}
        return {each for each in parts if each[0] is not None or each[1] is not None}

    def may_name(self, key: Key) -> bool:
        """Whether a refused row agrees with a key in all of its own that can be read (R5)."""
        return any(
            all(part in (None, own) for part, own in zip(parts, key, strict=True))
            for parts in self.partial_keys
        )


def loaded_at(load_number: int) -> datetime:
    """The instant of a load, UTC: there is one each day."""
    return datetime(2026, 3, 1, 8, tzinfo=UTC) + timedelta(days=load_number - 1)


def replay(
    history: History, business_dates: Sequence[date] = (), instants: Sequence[datetime] = ()
) -> list[Outcome]:
    """Tell what must be true after each load of a history, in order.

    Args:
        history: what happens.
        business_dates: of its loads; the first load of a date publishes, later ones wait for the
            next date (R23). Without them each load has a date of its own.
        instants: of its loads, UTC; those of loaded_at without them.

    """
    if not instants:
        instants = [loaded_at(number) for number in range(1, len(history.loads) + 1)]
    if not business_dates:
        first = date(2026, 3, 1)
        business_dates = [first + timedelta(days=index) for index in range(len(history.loads))]
    contract = history.contract
    received: list[ReceivedFile] = []
    verdicts: dict[FileReference, Verdict] = {}
    applied: list[ReceivedFile] = []  # debts files, in the order of their application
    events: list[PaymentEvent] = []
    outcomes: list[Outcome] = []
    lines: list[Line] = []
    watch = _Watch(contract, instants)
    for load_number, load in enumerate(history.loads, start=1):
        debts_before = outcomes[-1].debts if outcomes else {}
        applied_before = len(applied)
        pending = {key for key, debt in debts_before.items() if debt.status == "pending"}
        for decision in load.decisions:
            for file in received:
                if file.reference == decision.file and verdicts[file.reference].status == "held":
                    verdicts[file.reference] = _decide(decision)
                    if verdicts[file.reference].status == "applied":
                        applied.append(file)
        for intake_file in load.files:
            reference = FileReference(load_number, intake_file.name)
            file = ReceivedFile(reference, intake_file, check_rows(contract, intake_file))
            counting = [
                each
                for each in received
                if verdicts[each.reference].status not in {"refused", "duplicate"}
            ]
            verdicts[reference] = _judge(contract, file, counting, applied, pending)
            received.append(file)
            if verdicts[reference].status == "applied" and intake_file.kind == "invoices":
                applied.append(file)
        for file in received:
            if verdicts[file.reference].status == "held" and _is_overtaken(contract, file, applied):
                verdicts[file.reference] = Verdict("superseded", "older_than_applied")
        events.extend(load.events)
        accepted_payments = [
            file
            for file in received
            if file.file.kind == "payments" and verdicts[file.reference].status == "applied"
        ]
        debts = derive_debts(contract, applied, accepted_payments, events)
        payments = list(_payments(contract, events))
        business_date = business_dates[load_number - 1]
        if business_date not in business_dates[: load_number - 1]:
            lines += _publish(contract, business_date, payments, lines)
        watch.look(
            business_date,
            debts_before,
            debts,
            [row for file in applied[applied_before:] for row in file.valid_rows.values()],
            events,
            payments,
            _own_payments(accepted_payments),
            lines,
        )
        outcomes.append(
            Outcome(
                debts=debts,
                verdicts=dict(verdicts),
                refused_rows={
                    file.reference: tuple(
                        (row.line_number, row.code) for row in file.rows if row.code
                    )
                    for file in received
                },
                lines=tuple(lines),
                exceptions=watch.exceptions,
            )
        )
    return outcomes


def _publish(
    contract: Contract, business_date: date, payments: Sequence[_Payment], said: Sequence[Line]
) -> list[Line]:
    """Write one payments file: what is due and was not said before (R22, R23)."""
    lines = []
    for payment in sorted(payments, key=_order_in_file):
        own = [
            line
            for line in said
            if (line.payment_id, line.key) == payment.part and line.status != "en proceso de pago"
        ]
        due = []
        for currency in {payment.currency, *(line.currency for line in own)}:
            difference = _untold(payment, own, currency)
            if difference:
                due.append(("autorizado" if difference > 0 else "reversado", difference, currency))
            elif currency == payment.currency and not payment.standing:
                # An authorization of nothing is told, too, for it makes the debt paid.
                is_told = bool(own) and own[-1].status == "autorizado"
                if payment.state == "authorized" and not is_told:
                    due.append(("autorizado", difference, currency))
                elif (
                    payment.state in ("rejected", "reversed")
                    and contract.payment_flow == "in_process"
                    and is_told
                    and not sum(line.amount for line in own)
                ):
                    due.append(("reversado", difference, currency))
        if (
            payment.state == "in_process"
            and contract.payment_flow == "in_process"
            and not payment.standing
        ):
            due.append(("en proceso de pago", payment.amount, payment.currency))
        lines += [
            Line(business_date, payment.payment_id, payment.key, *each)
            for each in sorted(due, reverse=True)
        ]
    return lines


def _order_in_file(payment: _Payment) -> tuple[object, ...]:
    key = payment.key
    when = payment.latest.occurred_at
    return when, payment.payment_id, key.due_date, key.product_id, key.customer_id


def _untold(payment: _Payment, lines: Iterable[Line], currency: str) -> Decimal:
    """Tell how much of a payment came and was not said; negative when too much was said."""
    came = payment.standing if payment.currency == currency else Decimal(0)
    said = (line.amount for line in lines if line.currency == currency)
    return came - sum(said, Decimal(0))


@dataclass
class _Watch:
    """Looks at the end of each load for what does not fit (R25)."""

    contract: Contract
    instants: Sequence[datetime]
    exceptions: dict[Exceptional, Opening] = field(default_factory=dict)
    in_process_since: dict[tuple[str, Key], date] = field(default_factory=dict)
    ahead_until: dict[Exceptional, datetime] = field(default_factory=dict)
    load_number: int = 0
    event_count: int = 0

    def look(
        self,
        business_date: date,
        before: Mapping[Key, Debt],
        debts: Mapping[Key, Debt],
        rows: Sequence[CheckedRow],
        events: Sequence[PaymentEvent],
        payments: Sequence[_Payment],
        own_payments: Mapping[Key, _OwnPayment],
        lines: Sequence[Line],
    ) -> None:
        """Open what came true in a load, and close what no longer is."""
        self.load_number += 1
        self._age(payments)
        self._look_ahead(events)
        now = {
            *self._about_payments(business_date, payments, debts),
            *_second_payments(payments),
            *_unpublished_money(payments, lines),
            *_own_of_another_amount(own_payments, debts),
            *(each for each, until in self.ahead_until.items() if until > self.loaded_at),
        }
        opened = (
            now
            | set(_of_unknown_status(self.contract, events))
            | set(_repeated_otherwise(self.contract, events))
            | set(self.ahead_until)
            | set(_touched_by_a_file(before, debts, rows))
            | {
                Exceptional("taken_back", "", key)
                for key, own in own_payments.items()
                if not own.is_paid_last
            }
        )
        now |= {
            each
            for each in {*self.exceptions, *opened}
            if _goes_on(self.contract, each, debts, payments, own_payments, events)
        }
        former = self.exceptions
        self.exceptions = {
            each: Opening(
                former[each].load_number if each in former else self.load_number, each in now
            )
            for each in {*former, *opened}
        }

    def _age(self, payments: Sequence[_Payment]) -> None:
        """Note when each payment in process began to be so, as far as is known by now."""
        since = self.in_process_since
        self.in_process_since = {
            each.part: since.get(each.part, each.latest.occurred_at.astimezone(TIME_ZONE).date())
            for each in payments
            if each.state == "in_process"
        }

    def _look_ahead(self, events: Sequence[PaymentEvent]) -> None:
        """Note until when the events of this load are ahead that are so by more than a day."""
        unique = _unique(events)
        for each in unique[self.event_count :]:
            if each.occurred_at > self.loaded_at + timedelta(days=1):
                key = _key_of(self.contract, each)
                exceptional = Exceptional("ahead_of_time", each.payment_id, key)
                until = self.ahead_until.get(exceptional, each.occurred_at)
                self.ahead_until[exceptional] = max(until, each.occurred_at)
        self.event_count = len(unique)

    @property
    def loaded_at(self) -> datetime:
        return self.instants[self.load_number - 1]

    def _about_payments(
        self, business_date: date, payments: Sequence[_Payment], debts: Mapping[Key, Debt]
    ) -> Iterator[Exceptional]:
        for payment in payments:
            if payment.is_uncounted:
                yield Exceptional("event_not_counted", *payment.part)
            if 0 < payment.reversed < (payment.received or 0):
                yield Exceptional("partly_reversed", *payment.part)
            if payment.state not in ("in_process", "authorized"):
                continue
            debt = debts.get(payment.key)
            norm = NORMAL_BUSINESS_DAYS.get(payment.latest.channel)
            if debt is None:
                yield Exceptional("unknown_debt", *payment.part)
            elif (debt.amount, debt.currency) != (payment.amount, payment.currency):
                yield Exceptional("amount_differs", *payment.part)
            if norm is None:
                yield Exceptional("unknown_channel", *payment.part)
            elif payment.state == "in_process":
                since = self.in_process_since[payment.part]
                if count_business_days(since, business_date) > norm:
                    yield Exceptional("in_process_too_long", *payment.part)


def count_business_days(since: date, until: date) -> int:
    """Count the business days of Chile's banks after a date up to another."""
    days = (since + timedelta(days=number) for number in range(1, (until - since).days + 1))
    return sum(day.weekday() < SATURDAY and day not in BANK_HOLIDAYS for day in days)


def _second_payments(payments: Sequence[_Payment]) -> Iterator[Exceptional]:
    for payment in payments:
        others = [
            (each.latest.occurred_at, each.payment_id)
            for each in payments
            if each.state == "authorized" and each.key == payment.key
        ]
        own = (payment.latest.occurred_at, payment.payment_id)
        if payment.state == "authorized" and own > min(others):
            yield Exceptional("second_payment", payment.payment_id, payment.key)


def _unpublished_money(
    payments: Sequence[_Payment], lines: Sequence[Line]
) -> Iterator[Exceptional]:
    for payment in payments:
        own = [
            line
            for line in lines
            if (line.payment_id, line.key) == payment.part and line.status != "en proceso de pago"
        ]
        for currency in {payment.currency, *(line.currency for line in own)}:
            if _untold(payment, own, currency):
                yield Exceptional("unpublished_money", *payment.part, currency)


def _of_unknown_status(contract: Contract, events: Iterable[PaymentEvent]) -> Iterator[Exceptional]:
    for each in _unique(events):
        if each.status not in STATES:
            yield Exceptional("unknown_status", each.payment_id, _key_of(contract, each))


def _own_of_another_amount(
    own_payments: Mapping[Key, _OwnPayment], debts: Mapping[Key, Debt]
) -> Iterator[Exceptional]:
    for key, own in own_payments.items():
        is_told = own.is_counted and own.has_all_amounts
        if is_told and key in debts and debts[key].amount != own.paid:
            yield Exceptional("amount_differs", "", key)


def _repeated_otherwise(
    contract: Contract, events: Sequence[PaymentEvent]
) -> dict[Exceptional, int]:
    """What events with the id of an earlier one say otherwise, and where each last did."""
    first: dict[str, PaymentEvent] = {}
    found: dict[Exceptional, int] = {}
    for place, each in enumerate(events):
        former = first.setdefault(each.event_id, each)
        if _content(contract, former) != _content(contract, each):
            key = _key_of(contract, each)
            found[Exceptional("repeated_otherwise", each.payment_id, key)] = place
    return found


def _content(contract: Contract, event: PaymentEvent) -> tuple[object, ...]:
    return (
        event.payment_id,
        _key_of(contract, event),
        Decimal(event.amount),
        event.currency,
        event.channel,
        event.status,
        event.reason,
        event.occurred_at,
    )


def _touched_by_a_file(
    before: Mapping[Key, Debt], debts: Mapping[Key, Debt], rows: Sequence[CheckedRow]
) -> Iterator[Exceptional]:
    """What the debts file of a load does to debts that are paid or in process."""
    for row in rows:
        if row.key and not row.is_paid and not row.is_void and row.key in before:
            latter = debts[row.key]
            if (
                before[row.key].status == "paid"
                and latter.status == "paid"
                and latter.file_status == "listed"
            ):
                yield Exceptional("listed_after_paid", "", row.key)
    for key, former in before.items():
        latter = debts[key]
        is_other = latter.amount != former.amount or (
            latter.file_status == "void" and former.file_status != "void"
        )
        is_called_paid = latter.file_status == "paid" and former.file_status != "paid"
        if former.status == "in_process" and (
            is_called_paid or (latter.status == "in_process" and is_other)
        ):
            yield Exceptional("changed_in_process", former.payment_id or "", key)


def _goes_on(
    contract: Contract,
    each: Exceptional,
    debts: Mapping[Key, Debt],
    payments: Sequence[_Payment],
    own_payments: Mapping[Key, _OwnPayment],
    events: Sequence[PaymentEvent],
) -> bool:
    """Whether what a file or an event opened is still so."""
    if each.code == "listed_after_paid":
        return debts[each.key].status == "paid" and debts[each.key].file_status == "listed"
    if each.code == "taken_back":
        own = own_payments.get(each.key)
        if own is None or own.is_paid_last:
            return False
        debt = debts.get(each.key)
        is_paid_otherwise = debt is not None and (
            any(payment.state == "authorized" and payment.key == each.key for payment in payments)
            or (debt.file_status == "paid" and not own.is_counted)
        )
        return not is_paid_otherwise
    if each.code == "changed_in_process":
        part = each.payment_id, each.key
        return any(payment.state == "in_process" and payment.part == part for payment in payments)
    if each.code == "unknown_status":
        of_part = [
            event
            for event in _unique(events)
            if (event.payment_id, _key_of(contract, event)) == (each.payment_id, each.key)
        ]
        newest = max(reversed(of_part), key=lambda event: event.occurred_at)
        return newest.status not in STATES
    if each.code == "repeated_otherwise":
        first = {event.event_id: place for place, event in reversed(list(enumerate(events)))}
        counted = [
            place
            for place in first.values()
            if (events[place].payment_id, _key_of(contract, events[place]))
            == (each.payment_id, each.key)
            and events[place].status in STATES
        ]
        return max(counted, default=-1) < _repeated_otherwise(contract, events)[each]
    return False


def _judge(
    contract: Contract,
    file: ReceivedFile,
    received: Sequence[ReceivedFile],
    applied: Sequence[ReceivedFile],
    pending: set[Key],
) -> Verdict:
    """Judge a file that has just been received; refused ones and repetitions do not count
    (R8, R16, R17).
    """
    same_name = [former.file for former in received if former.file.name == file.file.name]
    if same_name and same_name[-1] == file.file:
        return Verdict("duplicate", "same_bytes_again")
    refused = sum(1 for row in file.rows if row.code)
    if refused > contract.max_rejected_share * len(file.rows):
        return Verdict("refused", "too_many_rejected_rows")
    if file.file.kind == "payments":
        return Verdict("applied", None)
    former = max(applied, key=lambda each: each.reference.load_number, default=None)
    may_be_half = former and former.file.has_line_end and not file.file.has_line_end
    if contract.update_mode == "upsert":
        return Verdict("held", "maybe_truncated") if may_be_half else Verdict("applied", None)
    if _is_older(file, applied):
        return Verdict("superseded", "older_than_applied")
    if not file.rows:
        return Verdict("held", "empty_file")
    if may_be_half:
        return Verdict("held", "maybe_truncated")
    kept = {key for key in pending if key in file.readable_keys or file.may_name(key)}
    if len(pending - kept) > contract.max_withdrawal_share * len(pending):
        return Verdict("held", "too_many_withdrawals")
    return Verdict("applied", None)


def _decide(decision: Decision) -> Verdict:
    """Judge a file that is still held again: an operator's word alone counts now (R17)."""
    if decision.decision == "refused":
        return Verdict("refused", "refused_by_operator")
    return Verdict("applied", None)


def _is_overtaken(contract: Contract, file: ReceivedFile, applied: Sequence[ReceivedFile]) -> bool:
    """Whether nobody has to decide about a held file any more (R8, R17)."""
    if contract.update_mode == "upsert":
        applied = [other for other in applied if other.file.name == file.file.name]
    return _is_older(file, applied)


def _is_older(file: ReceivedFile, applied: Sequence[ReceivedFile]) -> bool:
    return any(file.order < other.order for other in applied)


def derive_debts(
    contract: Contract,
    applied: Sequence[ReceivedFile],
    accepted_payments: Sequence[ReceivedFile],
    events: Iterable[PaymentEvent],
) -> dict[Key, Debt]:
    """Derive every known debt from the accepted files and the payment events (R9).

    Args:
        contract: the organization's.
        applied: its debts files that count, in the order of their application.
        accepted_payments: its own payments files that were accepted, as received.
        events: its payment events as loaded.

    """
    first_files: dict[Key, FileReference] = {}
    spelled: dict[Key, tuple[str, str]] = {}
    for file in applied:
        for key, row in file.valid_rows.items():
            first_files.setdefault(key, file.reference)
            spelled.setdefault(key, row.ids)
    in_file_order = sorted(applied, key=lambda file: file.order)
    newest_rows = {key: row for file in in_file_order for key, row in file.valid_rows.items()}
    own_payments = _own_payments(accepted_payments)
    paid_by_organization = {key for key, own in own_payments.items() if own.is_counted}
    payments = list(_payments(contract, events))

    debts = {}
    for key, row in newest_rows.items():
        file_status = _file_status(contract, key, row, in_file_order)
        states = {payment.state for payment in payments if payment.key == key}
        status = _status(file_status, states, key in paid_by_organization)
        debts[key] = Debt(
            *spelled[key],
            key.due_date,
            amount=row.amount,
            currency=contract.currency,
            status=status,
            is_in_base=status in ("pending", "in_process"),
            kept_because=_kept_because(status, file_status),
            attributes=row.attributes,
            file_status=file_status,
            first_file=first_files[key],
            payment_id=_choose_payment([each for each in payments if each.key == key]),
        )
    return debts


def _file_status(
    contract: Contract, key: Key, newest_row: CheckedRow, in_file_order: Sequence[ReceivedFile]
) -> str:
    """Tell what the debts files alone say of a known debt (R2, R3, R5, R6)."""
    if newest_row.is_paid:
        return "paid"
    if newest_row.is_void:
        return "void"
    if contract.update_mode == "upsert":
        return "listed"
    status, is_known = "absent", False
    for file in in_file_order:
        is_known = is_known or key in file.valid_rows
        if key in file.valid_rows:
            status = "listed"
        elif (is_known and key in file.readable_keys) or (
            status != "absent" and file.may_name(key)
        ):
            status = "rejected_row"
        else:
            status = "absent"
    return status


def _status(file_status: str, states: set[str], is_paid_by_organization: bool) -> str:
    """R7: paid > in_process > void > pending > withdrawn."""
    if "authorized" in states or is_paid_by_organization or file_status == "paid":
        return "paid"
    if "in_process" in states:
        return "in_process"
    if file_status == "void":
        return "void"
    return "withdrawn" if file_status == "absent" else "pending"


def _kept_because(status: str, file_status: str) -> str | None:
    """Tell what keeps a debt in the base that the files' valid rows would not (R4, R5)."""
    if status == "in_process" and file_status != "listed":
        return "in_process"
    if status == "pending" and file_status == "rejected_row":
        return "rejected_row"
    return None


@dataclass
class _OwnPayment:
    """What the organization's own payments files say of a debt.

    Args:
        paid: how much was paid, less what was taken back; never negative.
        is_paid_last: whether the newest row pays; else it takes back.
        has_all_amounts: whether every row says how much.

    """

    paid: Decimal = Decimal(0)
    is_paid_last: bool = False
    has_all_amounts: bool = True

    @property
    def is_counted(self) -> bool:
        return self.paid > 0 or self.is_paid_last


def _own_payments(accepted: Sequence[ReceivedFile]) -> dict[Key, _OwnPayment]:
    """Read the organization's own payments files: of each name the newest (R6, R25)."""
    newest = {file.file.name: file for file in accepted}
    told: dict[Key, _OwnPayment] = {}
    for file in sorted(newest.values(), key=lambda each: each.order):
        for row in file.rows:
            if row.key is None or (row.code and row.looks_negative):
                continue
            own = told.setdefault(row.key, _OwnPayment())
            own.paid = max(own.paid + row.amount, Decimal(0))
            own.is_paid_last = row.amount >= 0
            own.has_all_amounts = own.has_all_amounts and not row.is_without_amount
    return told


@dataclass
class _Payment:
    """A part of a payment: what it pays of one debt (R21).

    Args:
        latest: the event that happened last.
        state: `in_process`, `authorized`, `rejected` or `reversed`.
        amount: what was authorized, or else what the latest event names.
        received: what was authorized, None if nothing was.
        reversed: how much of it was given back.
        is_uncounted: whether an event was not counted, or only in part.

    """

    payment_id: str
    key: Key
    latest: PaymentEvent
    state: str = ""
    amount: Decimal = Decimal(0)
    currency: str = ""
    received: Decimal | None = None
    reversed: Decimal = Decimal(0)
    is_uncounted: bool = False

    @property
    def part(self) -> tuple[str, Key]:
        return self.payment_id, self.key

    @property
    def is_standing(self) -> bool:
        return self.received is not None and self.state in ("authorized", "in_process")

    @property
    def standing(self) -> Decimal:
        """What was received less what was given back."""
        return (self.received or Decimal(0)) - self.reversed

    def begin(self, event: PaymentEvent) -> None:
        """Forget what was received before: all of it has been given back."""
        self.amount, self.currency = Decimal(event.amount), event.currency
        self.received, self.reversed = None, Decimal(0)

    def take(self, event: PaymentEvent) -> None:
        """Read the next event."""
        take = {"authorized": self._authorize, "reversed": self._give_back}
        self.latest = event
        take.get(STATES[event.status], self._move)(event)

    def _move(self, event: PaymentEvent) -> None:
        """To be in process moves no money; a rejection gives back what stands."""
        state = STATES[event.status]
        if not self.is_standing:
            self.begin(event)
        elif state == "rejected":
            self.reversed += self.standing
        self.state = state

    def _authorize(self, event: PaymentEvent) -> None:
        amount = Decimal(event.amount)
        is_voided = self.state == "reversed" and self.received is None
        if not self.is_standing or event.currency != self.currency:
            self.begin(event)
            self.received = amount
            self.is_uncounted = self.is_uncounted or is_voided
        elif self.reversed and amount == self.standing:
            pass  # what is left over, said again
        elif self.reversed and amount <= self.reversed:
            self.is_uncounted = True
        else:
            self.received = self.amount = amount
        self.state = "authorized"

    def _give_back(self, event: PaymentEvent) -> None:
        amount = Decimal(event.amount)
        if self.is_standing and event.currency != self.currency:
            self.is_uncounted = True
        elif self.is_standing:
            is_odd = amount > self.standing or (not amount and bool(self.received))
            self.is_uncounted = self.is_uncounted or is_odd
            is_whole = amount >= self.standing
            self.reversed += min(amount, self.standing)
            self.state = "reversed" if is_whole else "authorized"
        else:
            self.is_uncounted = self.is_uncounted or self.state != "in_process"
            if self.received is None:
                self.begin(event)
            self.state = "reversed"


def _key_of(contract: Contract, event: PaymentEvent) -> Key:
    customer_id = normalize_customer_id(contract.customer_id_scheme, event.customer_id)
    return Key(
        customer_id or normal_id(event.customer_id), normal_id(event.product_id), event.due_date
    )


def _payments(contract: Contract, events: Iterable[PaymentEvent]) -> Iterator[_Payment]:
    """Each part of each payment after its known events, in the order of their time (R21)."""
    parts: dict[tuple[str, Key], _Payment] = {}
    for event in sorted(_unique(events), key=lambda each: each.occurred_at):
        if event.status in STATES:
            part = event.payment_id, _key_of(contract, event)
            parts.setdefault(part, _Payment(*part, event)).take(event)
    yield from parts.values()


def _unique(events: Iterable[PaymentEvent]) -> list[PaymentEvent]:
    """Each event once, as it first came (R21)."""
    unique: dict[str, PaymentEvent] = {}
    for event in events:
        unique.setdefault(event.event_id, event)
    return list(unique.values())


def _choose_payment(payments: Sequence[_Payment]) -> str | None:
    """Authorized before in process, then the earliest, then the smallest id."""
    for state in ("authorized", "in_process"):
        of_state = [each.latest for each in payments if each.state == state]
        if of_state:
            return min(of_state, key=lambda event: (event.occurred_at, event.payment_id)).payment_id
    return None


def check_rows(contract: Contract, file: IntakeFile) -> tuple[CheckedRow, ...]:
    """Give each row its code, or none (R15); of two valid rows with one key the last counts.

    A row of a payments file needs no amount, and may name a debt twice.
    """
    rows = [
        _check_row(contract, file, line_number, dict(zip(file.header, record, strict=True)))
        for line_number, record in enumerate(file.records, start=2)
    ]
    if file.kind == "payments":
        return tuple(rows)
    last_valid = {row.key: row.line_number for row in rows if row.code is None}
    return tuple(
        replace(row, code="duplicate_key")
        if row.code is None and last_valid[row.key] != row.line_number
        else row
        for row in rows
    )


def _check_row(
    contract: Contract, file: IntakeFile, line_number: int, cells: Mapping[str, str]
) -> CheckedRow:
    customer_text, product_text, due_text, amount_text, paid_text, void_text = (
        cells.get(name, "").strip() for name in FIELDS
    )
    customer_id = normalize_customer_id(contract.customer_id_scheme, customer_text)
    due_date = _read_date(due_text)
    code = _check_id(customer_text, "missing_customer_id") or (
        "invalid_rut" if customer_id is None else None
    )
    product_code = _check_id(product_text, "missing_product_id")
    parts = (
        None if code else customer_id,
        None if product_code else normal_id(product_text),
        due_date,
    )
    key = Key(*parts) if None not in parts else None
    ids = (customer_id if contract.customer_id_scheme == "rut" else customer_text, product_text)
    amount = _read_amount(amount_text, 4 if contract.currency == "CLF" else 2)
    is_paid, is_void = _read_flag(paid_text), _read_flag(void_text)
    attributes = {name: text for name, text in cells.items() if name not in NO_ATTRIBUTES and text}

    code = code or product_code or (None if due_date else "invalid_due_date")
    if code:
        pass
    elif file.kind == "payments" and not amount_text:
        code = None
    elif amount is None:
        code = "invalid_amount"
    elif amount < 0 and file.kind == "invoices":
        code = "negative_amount"
    elif is_paid is None or is_void is None:
        code = "invalid_flag"
    elif any(len(text) > LONGEST_ATTRIBUTE for text in attributes.values()):
        code = "attribute_too_long"
    if code:
        return CheckedRow(
            line_number,
            key,
            code,
            parts=parts,
            is_without_amount=amount is None,
            looks_negative=re.match(r"-|.*[^ .,] *-$", amount_text) is not None,
        )
    return CheckedRow(
        line_number,
        key,
        None,
        parts,
        ids,
        amount or Decimal(0),
        bool(is_paid),
        bool(is_void),
        attributes or None,
        is_without_amount=amount is None,
    )


def _check_id(text: str, code_of_none: str) -> str | None:
    id_ = normal_id(text)
    if not id_ or id_ in WORDS_FOR_NONE:
        return code_of_none
    if re.fullmatch(r"[0-9]+([.,][0-9]+ ?[eE] ?[+-]?|[eE]\+) ?[0-9]+|[0-9]{3,}[.,]0", id_):
        return "inexact_id"
    return "id_too_long" if len(text) > LONGEST_ID else None


def normalize_customer_id(scheme: str, text: str) -> str | None:
    """Give a customer id as it is compared (R1); None if there is none or it is no RUT.

    Args:
        scheme: `rut` or `external_id`.
        text: as received.

    """
    text = normal_id(text)
    if scheme == "external_id":
        return text or None
    match = re.fullmatch(r"0*([1-9][0-9]*)-([0-9K])", text.replace(".", "").upper())
    return text_of_rut(int(match[1])) if match and match[2] == check_digit(int(match[1])) else None


def normal_id(text: str) -> str:
    """Give an id as it is compared: what looks the same is the same (R1)."""
    spaced = "".join(
        " " if each.isspace() or unicodedata.category(each) in BLANK_CATEGORIES else each
        for each in text.translate({0x2010: "-", 0x2011: "-"})
    )
    visible = "".join(
        each
        for each in spaced
        if unicodedata.category(each) not in INVISIBLE_CATEGORIES and each != "\ufe0f"
    )
    plain = unicodedata.normalize("NFC", " ".join(visible.split()))
    plain = re.sub("^'+(?=[-0-9=+@])", "", plain)
    if match := re.fullmatch('="([^"]*)"', plain):
        plain = match[1].strip()
    return re.sub("^'+(?=[-0-9=+@])", "", plain)


def text_of_rut(number: int) -> str:
    """Write a RUT without dots, as `12345678-5`."""
    return f"{number}-{check_digit(number)}"


def check_digit(number: int) -> str:
    """Give a RUT's check digit: its digits, from the right times 2, 3, ... 7, 2, ..., modulo 11."""
    total = sum(int(digit) * (2 + at % 6) for at, digit in enumerate(reversed(str(number))))
    return "0123456789K"[-total % 11]


def _read_date(text: str) -> date | None:
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None
    try:
        read = date.fromisoformat(text)
    except ValueError:
        return None
    return read if FIRST_YEAR <= read.year <= LAST_YEAR else None


def _read_amount(text: str, decimals: int) -> Decimal | None:
    """Read a number that needs no more decimals; trailing zeros do not count, and three decimals
    may be thousands.
    """
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?|[0-9]+(\.[0-9]+)?-", text):
        return None
    amount = -Decimal(text[:-1]) if text.endswith("-") else Decimal(text)
    if re.search(r"\.[0-9]{3}-?$", text) or amount != round(amount, decimals):
        return None
    return round(amount, decimals)


def _read_flag(text: str) -> bool | None:
    if text.lower() in TRUE_TEXTS:
        return True
    return False if text.lower() in FALSE_TEXTS else None
