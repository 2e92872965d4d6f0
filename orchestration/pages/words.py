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
    # contracts
    "replace": _("replaces the base"),
    "upsert": _("updates the debts it lists"),
    "instant": _("final at once"),
    "rut": _("RUT"),
    "external_id": _("an id of its own"),
}
