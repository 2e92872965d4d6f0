"""What a server, or the way to it, did wrong."""

from __future__ import annotations

from collections.abc import Mapping

# What to do about a code: its sentences end with it. Those of other codes say it by themselves.
_TRY_AGAIN = "it is tried again by itself; if it stays so, ask the organization"
WHAT_TO_DO: Mapping[str, str] = {
    "unreachable": _TRY_AGAIN,
    "timed_out": _TRY_AGAIN,
    "connection_lost": _TRY_AGAIN,
    "still_growing": "it is looked at again by itself; if it stays so, ask the organization",
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
    """What went wrong with a server, as a stable code and a sentence without secrets (R20, R30).

    The sentence says what to do: by itself, or as WHAT_TO_DO has it for the code. Of an upload,
    `has_left_nothing` says that its bytes were taken back before it ended.
    """

    def __init__(self, code: str, message: str, *, has_advice: bool = False) -> None:
        advice = None if has_advice else WHAT_TO_DO.get(code)
        super().__init__(message if advice is None else f"{message}: {advice}")
        self.code = code
        self.has_left_nothing = False
