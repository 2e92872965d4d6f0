"""Find folders of SFTP servers that are the same, or one inside the other (R11).

In a shared inbox, one organization's debts would be read as another's. In an outbox inside an
inbox, our payments file would be read as the organization's own.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Account:
    """The login on a server; with a path it identifies a folder."""

    host: str
    port: int
    username: str


@dataclass(frozen=True)
class Folder:
    """A folder that a contract names.

    Args:
        account: the login that reaches it.
        organization_id: its organization.
        column: the contract column that names it.
        path: the path in the contract.
        resolved: the real path, as far as it is known.

    """

    account: Account
    organization_id: str
    column: str
    path: str
    resolved: str

    @property
    def parts(self) -> tuple[str, ...]:
        """The names from the server's first folder on; a path without `/` starts there, too."""
        path = posixpath.normpath(self.resolved)
        return tuple(part for part in path.split("/") if part not in ("", "."))


def find_shared(folders: Iterable[Folder]) -> Iterator[tuple[Folder, Folder]]:
    """Yield each folder that is the same as, or inside, another of its account, with that other."""
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
