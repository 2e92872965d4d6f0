"""Errors of a server, or of the connection to it."""

from __future__ import annotations

from collections.abc import Mapping

# What to do about each code; appended to its messages. Messages of other codes include it.
_TRY_AGAIN = "the next run tries it again; if it stays so, ask the organization"
WHAT_TO_DO: Mapping[str, str] = {
    "unreachable": _TRY_AGAIN,
    "timed_out": _TRY_AGAIN,
    "connection_lost": _TRY_AGAIN,
    "still_growing": "the next run looks at it again; if it stays so, ask the organization",
    "gone": "if nobody has removed it, have it sent again",
    "no_known_hosts": "have it name the file with the organization's key",
    "no_folder": "have the organization make it, or correct the contract's inbox_dir or outbox_dir",
    "no_permission": "have the organization allow it to Saldo's user",
    "server_failed": "run again, and if it stays so have the organization look at its server's log",
    "upload_damaged": "ask the organization whether its disk is full, then run again",
    "name_taken": "have the organization remove or rename it, then run again",
    "file_too_large": "if it is right, raise SALDO_FILE_LIMIT and run again",
}


class SftpError(Exception):
    """An error of a server: a stable code and a message without secrets (R20, R30).

    The message says what to do, by itself or with WHAT_TO_DO for the code. For an upload,
    `has_left_nothing` is true if its bytes were removed from the server again. For a download,
    `has_read_all` is true if the file was read to its end and the server did not say whether it
    still has the file.
    """

    def __init__(self, code: str, message: str, *, has_advice: bool = False) -> None:
        advice = None if has_advice else WHAT_TO_DO.get(code)
        super().__init__(message if advice is None else f"{message}: {advice}")
        self.code = code
        self.has_left_nothing = False
        self.has_read_all = False
