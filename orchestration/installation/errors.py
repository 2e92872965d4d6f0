"""Errors that a user can do something about: one sentence, an exit status, no traceback."""

from __future__ import annotations


class ToldError(Exception):
    """The message says what is wrong, where, and what to do; the command ends with 1."""

    exit_status = 1


class WrongUseError(ToldError):
    """What was asked for or configured is wrong; the command ends with 2."""

    exit_status = 2
