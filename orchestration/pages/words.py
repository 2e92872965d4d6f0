"""What the values of the published copy are called, and what they mean for an operator.

The words are English and marked for the catalog; `Writing.word` says them in a language.
"""

from __future__ import annotations

from orchestration.pages.languages import marked as _

WORDS = {
    # debts
    "pending": _("pending"),
    "in_process": _("in process"),
    "paid": _("paid"),
    "void": _("void"),
    "withdrawn": _("withdrawn"),
    # what files say of a debt
    "listed": _("listed as owed"),
    "rejected_row": _("its row was refused"),
    "absent": _("not listed"),
    # what makes a debt paid
    "payment": _("a payment"),
    "organization_payments": _("the organization's own payments file"),
    "debts_file": _("its row in the debts file"),
    # files and days
    "applied": _("applied"),
    "held": _("held"),
    "refused": _("refused"),
    "superseded": _("superseded"),
    "duplicate": _("duplicate"),
    "missing": _("missing"),
    "not_read": _("not read"),
    "invoices": _("debts"),
    "payments": _("payments"),
    "customers": _("customers"),
    "approved": _("approved"),
    # payments
    "authorized": _("authorized"),
    "rejected": _("rejected"),
    "reversed": _("reversed"),
    # runs of Dagster
    "SUCCESS": _("ended well"),
    "FAILURE": _("failed"),
    "STARTED": _("at work"),
    "STARTING": _("at work"),
    "CANCELING": _("canceled"),
    "CANCELED": _("canceled"),
    "QUEUED": _("waiting"),
    "NOT_STARTED": _("waiting"),
    # columns of files
    "customer_id": _("the customer"),
    "product_id": _("the product"),
    "due_date": _("the due date"),
    "amount": _("the amount"),
    "currency": _("the currency"),
    "check_digit": _("the check digit of the RUT"),
    "is_paid": _("whether it is paid"),
    "is_void": _("whether it is void"),
    "name": _("the customer's name"),
    "mail": _("the customer's mail"),
    "channel": _("the channel of the payment"),
    "paid_on": _("the day of the payment"),
    # contracts
    "replace": _("replaces the base"),
    "upsert": _("updates the debts it lists"),
    "instant": _("final at once"),
    "rut": _("RUT"),
    "external_id": _("an id of its own"),
}
