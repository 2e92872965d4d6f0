"""Folders of SFTP servers: which of them are one folder, or inside one another (R11).

From a shared inbox one organization's debts would be read as another's, and from an outbox in an
inbox our payments file as the organization's own.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Account:
    """What a path needs beside it to mean one folder."""

    host: str
    port: int
    username: str


@dataclass(frozen=True)
class Folder:
    """A folder that a contract names.

    Args:
        account: by whom it is reached.
        organization_id: whose.
        column: of the contract, that names it.
        path: as the contract has it.
        resolved: where it is, as far as that is known.

    """

    account: Account
    organization_id: str
    column: str
    path: str
    resolved: str

    @property
    def parts(self) -> tuple[str, ...]:
        """The names from the first folder of the server on; a path without `/` begins there."""
        path = posixpath.normpath(self.resolved)
        return tuple(part for part in path.split("/") if part not in ("", "."))


def find_shared(folders: Iterable[Folder]) -> Iterator[tuple[Folder, Folder]]:
    """The folders that are another of the same account, or inside another, each with that other."""
    known: dict[tuple[Account, tuple[str, ...]], Folder] = {}
    for folder in folders:
        first = known.setdefault((folder.account, folder.parts), folder)
        if first is not folder:
            yield folder, first
    for (account, parts), folder in known.items():
        for depth in range(len(parts)):
            other = known.get((account, parts[:depth]))
            if other is not None:
                yield folder, other
                break
