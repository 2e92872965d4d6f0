"""What the values of the published copy are called, and what they mean for an operator.

The words are English and marked for the catalog; `Writing` says them in a language.
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
    "waiting": _("waiting"),
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

_NO_ANSWER = _(
    "The server did not answer, or broke off. The next run tries it again; if it stays so, ask the"
    " organization."
)
# What to do about an inbox that could not be read whole, by the code of its look (R20).
INBOXES = {
    "unreachable": _NO_ANSWER,
    "timed_out": _NO_ANSWER,
    "connection_lost": _NO_ANSWER,
    "dated_ahead": _("Have it renamed if it is the file of the date that is missing."),
    "disk_full": _("The disk of this machine is full: free some space and run again."),
    "file_too_large": _(
        "A file is larger than allowed: if it is right, raise SALDO_FILE_LIMIT and run again."
    ),
    "gone": _("A file was gone before it was read: if nobody has removed it, have it sent again."),
    "half_received": _(
        "A file that its server gives only once was not read to its end: have it sent again."
    ),
    "host_key_changed": _(
        "The server shows another key than before: ask the organization before you trust it."
    ),
    "host_key_unknown": _(
        "The server shows a key that is not trusted: ask the organization before you trust it."
    ),
    "invalid_name": _("The name of a file is not UTF-8: have it renamed."),
    "listing_too_long": _(
        "The inbox has more files than SALDO_LISTING_LIMIT allows: have old ones removed."
    ),
    "login_refused": _(
        "The server refuses the user or the secret: `check` says which one to correct."
    ),
    "misnamed": _("Have it renamed as agreed, or change the contract's pattern."),
    "no_common_algorithm": _("The server is old: the organization has to update it."),
    "no_credentials": _("The server's secret is missing or no good: `check` says what to set."),
    "no_folder": _(
        "There is no such folder: have the organization make it, or correct the contract."
    ),
    "no_known_hosts": _(
        "There is no file of trusted keys: have SFTP_KNOWN_HOSTS_FILE name the one with the"
        " organization's key."
    ),
    "no_permission": _(
        "The server does not allow it: have the organization allow it to Saldo's user."
    ),
    "not_a_file": _("A link or special file has the agreed name: have the file itself sent."),
    "server_failed": _(
        "The server failed: run again, and if it stays so have the organization look at its"
        " server's log."
    ),
    "still_growing": _(
        "The upload of a file has not ended. The next run looks at it again; if it stays so, have"
        " it sent again."
    ),
}
OTHER_INBOX = _("`check` says more; docs/troubleshooting.md says what to do.")
