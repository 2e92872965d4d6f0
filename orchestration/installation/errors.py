"""Errors that a user can fix: one sentence and an exit status, no traceback."""

from __future__ import annotations


class ToldError(Exception):
    """The message says what is wrong, where, and what to do; the command exits with 1."""

    exit_status = 1


class WrongUseError(ToldError):
    """Wrong arguments or configuration; the command exits with 2."""

    exit_status = 2
