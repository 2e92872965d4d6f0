"""Shared by the verbs: the home, the date type, finding an organization, reporting errors."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import click

from orchestration.contracts.organizations import Organization
from orchestration.contracts.tables import ContractError
from orchestration.installation import locking, variables
from orchestration.installation.damage import explain
from orchestration.installation.home import Home

DATE = click.DateTime(["%Y-%m-%d"])


def open_home() -> Home:
    """Create the home that the environment names, and set it for dbt and Dagster.

    Before that, the variables are checked that all verbs work by.
    """
    home = Home.from_environment()
    with exit_on_user_error():
        variables.check(os.environ)
        home.create()
    os.environ.update(home.environment())
    return home


def find_organization(organizations: Sequence[Organization], organization_id: str) -> Organization:
    """Return the organization with that id.

    Raises:
        ContractError: no organization has it.

    """
    for organization in organizations:
        if organization.organization_id == organization_id:
            return organization
    known = ", ".join(each.organization_id for each in organizations)
    raise ContractError(f"no organization {organization_id!r}; those with a contract: {known}")


@contextmanager
def exit_on_user_error() -> Iterator[None]:
    """Print errors that a user can fix in one sentence, and exit with their status."""
    try:
        yield
    except Exception as error:
        told_error = explain(error, Home.from_environment())
        if told_error is None:
            raise
        click.echo(f"saldo: {told_error}", err=True)
        sys.exit(told_error.exit_status)


@contextmanager
def not_copied(home: Home) -> Iterator[None]:
    """Wait for a `verify` that has a copy of the warehouse, and let none begin."""
    home.verifying.root.mkdir(parents=True, exist_ok=True)
    with locking.exclusive(home.verifying):
        yield
