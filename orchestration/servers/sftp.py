"""SFTP for files of money: checked host keys, whole files only (R13), and uploads that are read
back and never overwrite (R24).

This module does not depend on debts or Dagster. A `Client` belongs to one thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from typing import BinaryIO, Literal

import paramiko

from orchestration.installation.whole_files import Content
from orchestration.servers import remote_reading, ssh
from orchestration.servers.deadlines import BYTES_A_NAME, Deadline, Limits
from orchestration.servers.errors import SftpError
from orchestration.servers.remote_files import (
    Download,
    Listing,
    NameTakenError,
    RemoteFile,
    StillGrowingError,
    TooLargeError,
    as_remote_file,
    join_path,
    may_be_same,
    partial_name,
)
from orchestration.servers.remote_reading import Attributes, SftpClient, as_instant
from orchestration.servers.ssh import translated

_NAME_TAKEN = ("name_taken", "a file with other content has this name already")
_CHANGED = ("still_growing", "the file changed while it was read")
_DOWNLOADING = "downloading a file"
_BREAKS = ("connection_lost", "timed_out")
_CHUNK = 1 << 18
# The numbers of outstanding reads: first as many as OpenSSH's client has, then fewer after each
# break. Some servers break off or hang with so many.
_WINDOWS = (64, 8, 1)


class Client:
    """A connection to one organization's server; it reconnects if the server breaks off."""

    def __init__(
        self, open_sftp: Callable[[int, Deadline], SftpClient], deadline: Deadline, limits: Limits
    ) -> None:
        self._open_sftp = open_sftp
        self.deadline = deadline
        self._limits = limits
        self._windows = list(_WINDOWS)
        self.has_reconnected = False
        self._sftp = open_sftp(ssh.CONNECT_ATTEMPTS, deadline)

    @property
    def is_connected(self) -> bool:
        """Whether the server can still answer."""
        channel = self._sftp.get_channel()
        return not channel.closed and bool(channel.get_transport().is_active())

    def serve(self, deadline: Deadline) -> bool:
        """Serve another organization of the login until its deadline; return whether it can."""
        self.deadline = deadline
        deadline.watch(self._sftp.get_channel().get_transport().close)
        with suppress(SftpError), translated("asking for a sign of life"):
            remote_reading.read_attributes(self._sftp, ".")
            return True
        return False

    def list_files(self, folder: str) -> list[RemoteFile]:
        """List the files of a folder, by name; see look()."""
        return list(self.look(folder).files)

    def look(self, folder: str) -> Listing:
        """List a folder.

        Raises:
            SftpError: `no_folder`, `timed_out`, `connection_lost`, `server_failed`,
                `listing_too_long`.

        """
        most = self._limits.listed_names
        files: list[RemoteFile] = []
        other_names: list[str] = []
        newest: int | None = None
        with translated(f"listing {folder}"):
            for name, found in remote_reading.read_folder(
                self._sftp, folder, most, most * BYTES_A_NAME
            ):
                if found.is_folder:
                    newest = max(newest or 0, found.modified_at or 0) or None
                elif found.is_file is False:
                    other_names.append(name.decode("utf-8", "backslashreplace"))
                elif name not in (b".", b".."):
                    files.append(as_remote_file(name, found))
        return Listing(
            tuple(sorted(files, key=lambda file: file.name)),
            tuple(sorted(other_names)),
            as_instant(newest),
        )

    def find(self, folder: str, name: str) -> RemoteFile | None:
        """Return the current state of a file, or None if it is gone or is no longer a file.

        Raises:
            SftpError: `timed_out`, `connection_lost`, `server_failed`, `no_permission`.

        """
        found = self._ask_unless_gone(join_path(folder, name))
        if found is None or found.is_file is False:
            return None
        return as_remote_file(name.encode(), found)

    def resolve(self, path: str) -> str:
        """Resolve a path on the server: without links and `..`.

        Raises:
            SftpError: `no_folder`, `timed_out`, `connection_lost`, `server_failed`.

        """
        with translated(f"resolving {path}"):
            return str(self._sftp.normalize(path))

    def download(
        self,
        folder: str,
        file: RemoteFile,
        target: BinaryIO | None,
        most_bytes: int | None = None,
    ) -> Download:
        """Download a file that does not change during the download (R13).

        The server's attributes are compared before and after, as far as it gives any. If the number
        of bytes differs from the size, or there is no size, the file is downloaded a second time
        and must be the same. If the file is gone by then, the first download counts: some mailboxes
        give a file only once.

        Args:
            folder: the folder of the file.
            file: the file, as listed.
            target: receives the bytes; discard it if this raises. It must allow truncating and
                starting again. None: the bytes are not stored.
            most_bytes: the maximum number of bytes.

        Raises:
            StillGrowingError: size, time or bytes changed.
            TooLargeError: the file has more bytes than allowed.
            SftpError: `timed_out`, `connection_lost`, `server_failed`, `gone`, `no_permission`,
                `invalid_name`.
            OSError: `target` cannot be written.

        """
        if not file.is_named_in_utf8:
            raise SftpError(
                "invalid_name",
                "the name of a file is not UTF-8: have the organization name it in plain letters",
            )
        path = join_path(folder, file.name)
        before = self._ask(path)
        if before.is_file is False or not may_be_same(file, as_remote_file(b"", before)):
            raise StillGrowingError(*_CHANGED)
        size = file.size if before.size is None else before.size
        received = self._receive(path, size, target, most_bytes)
        if (after := self._ask_unless_gone(path)) is None:
            return Download(*received, is_taken_away=True)
        if after.is_file is False or not may_be_same(file, as_remote_file(b"", after)):
            raise StillGrowingError(*_CHANGED)
        if received[1] != size:
            try:
                again = self._receive(path, size, None, most_bytes)
            except SftpError as error:
                if not self._is_gone(path, error):
                    raise
                return Download(*received, is_taken_away=True)
            if again != received:
                raise StillGrowingError(*_CHANGED)
        is_clock = (after.accessed_at or 0) > (before.accessed_at or 0)
        return Download(*received, clock=as_instant(after.accessed_at) if is_clock else None)

    def upload(
        self,
        folder: str,
        name: str,
        content: Content,
        *,
        may_replace: bool = False,
        begin: Callable[[], None] = lambda: None,
    ) -> Literal["delivered", "already_there", "taken_unread"]:
        """Publish a file under a name, completely or not at all (R24).

        Writes the bytes to a temporary name, reads them back, compares them, and renames the file.
        The rename does not overwrite, so the bytes under the name never change unless `may_replace`
        is set.

        Args:
            folder: the target folder.
            name: the name there.
            content: the bytes.
            may_replace: whether other bytes under the name may be replaced.
            begin: called once the temporary name exists and is still empty. If neither name exists
                afterwards, somebody has taken the file.

        Returns:
            `taken_unread`: the file was gone before it could be read back or renamed.

        Raises:
            NameTakenError: the name has other bytes.
            SftpError: `timed_out`, `connection_lost`, `server_failed`, `no_folder`,
                `no_permission`, `invalid_name`, `upload_damaged` (the bytes read back differ from
                those sent, as on a full disk).

        """
        path = join_path(folder, name)
        sha256 = hashlib.sha256(content).hexdigest()
        part = join_path(folder, partial_name(name, sha256))
        try:
            with translated(f"uploading to {folder}"):
                if self._is_there(path):
                    with suppress(FileNotFoundError):
                        if self._holds(path, len(content), sha256):
                            return "already_there"
                    if not may_replace:
                        raise NameTakenError(*_NAME_TAKEN)
                target = self._sftp.open(part, "wb")
                try:
                    with target:
                        begin()
                        target.set_pipelined(True)
                        for start in range(0, len(content), _CHUNK):
                            chunk = content[start : start + _CHUNK]
                            self.deadline.allow(len(chunk))
                            target.write(chunk)
                    return self._publish(part, path, len(content), sha256, may_replace=may_replace)
                except FileNotFoundError:
                    remote_reading.read_attributes(self._sftp, folder)
                    return "taken_unread"
        except SftpError as error:
            error.has_left_nothing = self._takes_back(part, error)
            raise

    def find_upload(
        self, folder: str, name: str, content: Content
    ) -> Literal["whole", "begun"] | None:
        """Return the state of an upload that had begun.

        Returns:
            `whole` if the name has the bytes, `begun` if the temporary name exists, None if
            neither.

        Raises:
            SftpError: `timed_out`, `connection_lost`, `server_failed`, `no_folder`,
                `no_permission`, `invalid_name`.

        """
        path = join_path(folder, name)
        sha256 = hashlib.sha256(content).hexdigest()
        with translated(f"looking into {folder}"):
            with suppress(FileNotFoundError):
                if self._holds(path, len(content), sha256):
                    return "whole"
            if self._is_there(join_path(folder, partial_name(name, sha256))):
                return "begun"
            remote_reading.read_attributes(self._sftp, folder)
        return None

    def _publish(
        self, part: str, path: str, size: int, sha256: str, *, may_replace: bool
    ) -> Literal["delivered", "already_there"]:
        if not self._holds(part, size, sha256):
            raise SftpError("upload_damaged", "the server did not keep what was sent")
        rename = self._replace if may_replace else self._sftp.rename
        try:
            rename(part, path)
        except OSError:
            with suppress(FileNotFoundError):
                if self._holds(path, size, sha256):
                    return "already_there"
            remote_reading.read_attributes(self._sftp, part)
            if not may_replace and self._is_there(path):
                raise NameTakenError(*_NAME_TAKEN) from None
            raise
        return "delivered"

    def _replace(self, part: str, path: str) -> None:
        try:
            self._sftp.posix_rename(part, path)
        except OSError:
            # An extension of OpenSSH, which not every server supports.
            remote_reading.read_attributes(self._sftp, part)
            if self._is_there(path):
                self._sftp.remove(path)
            self._sftp.rename(part, path)

    def _takes_back(self, part: str, error: SftpError) -> bool:
        """Remove the temporary name of a failed upload; return whether it was still there."""
        if error.code == "timed_out" or not self.is_connected:
            return False
        with suppress(OSError, EOFError, paramiko.SSHException):
            self._sftp.remove(part)
            return True
        return False

    def _holds(self, path: str, size: int, sha256: str) -> bool:
        """Return whether a file has these bytes; raise FileNotFoundError if it is gone."""
        try:
            return self._receive(path, size, None, size)[0] == sha256
        except TooLargeError:
            return False
        except SftpError as error:
            if self._is_gone(path, error):
                raise FileNotFoundError from None
            raise

    def _is_gone(self, path: str, error: SftpError) -> bool:
        """Return whether a file could not be read because it is gone; some servers do not say."""
        if error.code in _BREAKS:
            return False
        return error.code == "gone" or self._ask_unless_gone(path) is None

    def _is_there(self, path: str) -> bool:
        with suppress(FileNotFoundError):
            self._ask_for(path)
            return True
        return False

    def _ask_for(self, path: str) -> Attributes:
        most = self._limits.listed_names
        return remote_reading.find_attributes(self._sftp, path, most, most * BYTES_A_NAME)

    def _ask(self, path: str) -> Attributes:
        with translated(_DOWNLOADING, missing="gone"):
            return self._ask_for(path)

    def _ask_unless_gone(self, path: str) -> Attributes | None:
        try:
            return self._ask(path)
        except SftpError as error:
            if error.code != "gone":
                error.has_read_all = True
                raise
            return None

    def _receive(
        self, path: str, size: int | None, target: BinaryIO | None, most_bytes: int | None
    ) -> tuple[str, int]:
        """Read a file to its end, with fewer outstanding reads each time the server breaks off.

        Returns:
            The hash of its bytes, and their number.

        """
        former: SftpError | None = None
        while True:
            try:
                return self._receive_once(path, size, target, most_bytes)
            except SftpError as error:
                if error.code == "gone" and former is not None:
                    # It disappeared with the connection: report the broken connection, not a
                    # missing file.
                    raise former from None
                if error.code not in _BREAKS or len(self._windows) == 1 or self.deadline.is_over:
                    raise
                former = error
                try:
                    self._sftp = self._open_sftp(1, self.deadline)
                except SftpError:
                    raise error from None
                del self._windows[0]
                self.has_reconnected = True
                if target is not None:
                    target.seek(0)
                    target.truncate()

    def _receive_once(
        self, path: str, size: int | None, target: BinaryIO | None, most_bytes: int | None
    ) -> tuple[str, int]:
        digest = hashlib.sha256()
        byte_count = 0
        chunks = remote_reading.read_chunks(self._sftp, path, size, self._windows[0])
        try:
            while True:
                with translated(_DOWNLOADING, missing="gone"):
                    chunk = next(chunks, None)
                if chunk is None:
                    # The file may disappear when it is closed: by then all bytes are here.
                    if target is not None:
                        target.flush()
                    return digest.hexdigest(), byte_count
                byte_count += len(chunk)
                self.deadline.allow(len(chunk))
                if most_bytes is not None and byte_count > most_bytes:
                    raise TooLargeError("file_too_large", "the file has more bytes than allowed")
                digest.update(chunk)
                if target is not None:
                    target.write(chunk)
        finally:
            chunks.close()
