"""The command: `python -m orchestration VERB`. Exit 0 done, 1 refused or held, 2 wrong use.

A verb is imported when it is used: the imports of a run take longer than most verbs.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

import click


@dataclass(frozen=True)
class Verb:
    """The module of a verb, and its text in the list of verbs.

    Args:
        module: the module of `orchestration.verbs` that contains it, under its name.
        summary: the first sentence of its help.

    """

    module: str
    summary: str


VERBS = {
    "approve": Verb("deciding", "Apply a held file as it is."),
    "check": Verb(
        "checking",
        "Try contracts and servers, and tell what the newest files would change; changes nothing.",
    ),
    "erase": Verb(
        "erasing",
        "Erase persons: their ids become pseudonyms, their names and mails tokens, everywhere.",
    ),
    "held": Verb(
        "deciding",
        "List the files that wait for a decision, with the difference that they would make.",
    ),
    "load-decisions": Verb(
        "deciding",
        "Carry out the decisions that wait; the pages start this when an operator has decided.",
    ),
    "load-uploads": Verb(
        "uploading",
        "Load the workbooks that wait; the pages start this when an operator has confirmed one.",
    ),
    "pages": Verb("serving", "Serve the pages for operators on this machine."),
    "refuse": Verb("deciding", "Refuse a held file: the debts stay as they are."),
    "replay": Verb(
        "running",
        "Rebuild the warehouse from the landing area; the former one is set aside.",
    ),
    "report": Verb(
        "reporting", "Write the pictures of a business date as one HTML file, to print or attach."
    ),
    "republish": Verb(
        "republishing",
        "Put the payments file of a date into the outbox again, with the same bytes.",
    ),
    "restore": Verb(
        "verifying",
        "Replace damaged files of the landing area with the same bytes from another place.",
    ),
    "run": Verb("running", "Run one business date for all organizations that are due."),
    "upload-customers": Verb(
        "uploading", "Create and update customers from a workbook of an organization."
    ),
    "verify": Verb(
        "verifying",
        "Check that what landed is whole, and that everything made of it agrees with it.",
    ),
    "webserver": Verb(
        "webserving", "Serve Dagster's user interface on this machine, to its own pages alone."
    ),
}


class Verbs(click.Group):
    """The verbs, each imported when it is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click gives it)
        """Return the names of the verbs."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a verb; return None if the name is unknown."""
        if cmd_name not in VERBS:
            return None
        module = import_module(f"orchestration.verbs.{VERBS[cmd_name].module}")
        command: click.Command = getattr(module, cmd_name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the summary of each verb, without importing it."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, verb.summary) for name, verb in VERBS.items()])


@click.command(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
    subcommand_metavar="VERB [ARGS]...",
)
def main() -> None:
    """Saldo: debts in by SFTP, payments files out."""


if __name__ == "__main__":
    main(prog_name="python -m orchestration")
