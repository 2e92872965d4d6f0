"""Read the answers of an SFTP server safely: attributes, listings, bytes of files.

A number in an answer is trusted only as far as the bytes of the answer support it. The number of
outstanding requests is limited. Errors are those of paramiko and the system; `sftp` translates
them.
"""

from __future__ import annotations

import errno
import re
import stat
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import paramiko
from paramiko.sftp import (
    CMD_ATTRS,
    CMD_CLOSE,
    CMD_DATA,
    CMD_EXTENDED,
    CMD_EXTENDED_REPLY,
    CMD_HANDLE,
    CMD_INIT,
    CMD_LSTAT,
    CMD_NAME,
    CMD_OPEN,
    CMD_OPENDIR,
    CMD_READ,
    CMD_READDIR,
    CMD_STAT,
    CMD_STATUS,
    CMD_VERSION,
    SFTP_EOF,
    SFTP_FLAG_READ,
    SFTP_NO_SUCH_FILE,
    SFTP_OK,
    SFTP_PERMISSION_DENIED,
    int64,
)

_VERSION = 3
_VERSION_BYTES = 4
# The size of a packet (four bytes) and its kind. Paramiko takes no larger packet either.
_PACKET_START_BYTES = 5
_TOO_LARGE_PACKET_BYTES = 1 << 24
# What each server must answer in one piece, and the maximum of OpenSSH's server.
_READ_BYTES = 32768
_MOST_READ_BYTES = 261120
# The extension with which a server announces its limits (OpenSSH, PROTOCOL, 4.8).
_LIMITS = b"limits@openssh.com"
# The number of the request and the number of bytes, in front of bytes of a file.
_DATA_START_BYTES = 8
_SHORTEST_NAME = 12
_SHORTEST_EXTENSION = 8
# The protocol has 64 bits without a sign for a size, file systems and databases 63.
_LARGEST_SIZE = (1 << 63) - 1
# The start of a line of `ls -l`, which servers of version 3 send next to the name.
_LONG_NAME = re.compile(rb"([-bcdlps])[-rwxsStT]{9}")
_FLAG_SIZE, _FLAG_OWNER, _FLAG_PERMISSIONS, _FLAG_TIMES = 1, 2, 4, 8
_FLAG_EXTENDED = 0x80000000


class ListingTooLongError(Exception):
    """A listing has more names, or more bytes, than allowed."""


class BadAnswerError(Exception):
    """An answer violates the protocol."""


class SftpClient(paramiko.SFTPClient):  # type: ignore[misc]
    """Paramiko's client, without decoding the server's texts, which may not be UTF-8.

    It also requests as many bytes at a time as the server announces: with 255 KiB instead of 32 a
    download takes half the CPU. And it copies the bytes of an answer once, not at each piece that
    arrives.
    """

    _read_bytes: int | None = None
    _extensions: frozenset[bytes] = frozenset()

    def _send_version(self) -> int:
        """Agree on the protocol version; paramiko drops the server's extensions."""
        asked = paramiko.Message()
        asked.add_int(_VERSION)
        self._send_packet(CMD_INIT, asked)
        kind, data = self._read_packet()
        if kind != CMD_VERSION or len(data) < _VERSION_BYTES:
            raise paramiko.SFTPError("not the SFTP protocol")
        version, extensions = data[:_VERSION_BYTES], data[_VERSION_BYTES:]
        self._extensions = frozenset(list(_split_texts(extensions))[::2])
        return int.from_bytes(version, "big")

    def _read_packet(self) -> tuple[int, bytes]:
        """Read the kind of a packet and what follows it."""
        start = self._read_all(_PACKET_START_BYTES)
        size = int.from_bytes(start[:-1], "big")
        if not 0 < size < _TOO_LARGE_PACKET_BYTES:
            raise paramiko.SFTPError("not the SFTP protocol")
        return start[-1], self._read_all(size - 1)

    def _read_all(self, byte_count: int) -> bytes:
        pieces: list[bytes] = []
        while byte_count:
            piece = self.sock.recv(byte_count)
            if not piece:
                raise EOFError
            pieces.append(piece)
            byte_count -= len(piece)
        return b"".join(pieces)

    def read_bytes(self) -> int:
        """Return how many bytes to request at a time; asks the server the first time.

        Raises:
            BadAnswerError: the answer is invalid.
            EOFError: the connection broke; TimeoutError, OSError: likewise.

        """
        if self._read_bytes is None:
            self._read_bytes = _READ_BYTES
            if _LIMITS in self._extensions:
                self._read_bytes = self._ask_read_bytes()
        return self._read_bytes

    def _ask_read_bytes(self) -> int:
        try:
            kind, message = self._request(CMD_EXTENDED, _LIMITS)
        except TimeoutError:
            raise
        except OSError:
            if self.get_channel().closed:
                raise
            return _READ_BYTES
        if kind != CMD_EXTENDED_REPLY:
            raise BadAnswerError
        message.get_int64()  # the maximum size of a packet
        given: int = message.get_int64()
        return max(_READ_BYTES, min(given, _MOST_READ_BYTES))

    def _convert_status(self, message: paramiko.Message) -> None:
        code = message.get_int()
        if code == SFTP_EOF:
            raise EOFError
        if code == SFTP_NO_SUCH_FILE:
            raise FileNotFoundError(errno.ENOENT, "no such file")
        if code == SFTP_PERMISSION_DENIED:
            raise PermissionError(errno.EACCES, "not allowed")
        if code != SFTP_OK:
            raise OSError(f"the server answered with code {code}")


def _split_texts(data: bytes) -> Iterator[bytes]:
    """Split a sequence of texts; each follows its length."""
    start = 4
    while start <= len(data):
        end = start + int.from_bytes(data[start - 4 : start], "big")
        yield data[start:end]
        start = end + 4


@dataclass(frozen=True)
class Attributes:
    """The attributes of a file that a server sends; None for those that it omits.

    Args:
        is_file: whether it is a regular file; links and folders are not.
        is_folder: whether it is a folder.
        size: in bytes.
        modified_at: in seconds since 1970.
        accessed_at: in seconds since 1970.

    """

    is_file: bool | None = None
    is_folder: bool = False
    size: int | None = None
    modified_at: int | None = None
    accessed_at: int | None = None


def read_attributes(sftp: SftpClient, path: str) -> Attributes:
    """Read the attributes of the file itself, not of a link's target, if the server can.

    Raises:
        FileNotFoundError: the file does not exist.

    """
    for command in (CMD_LSTAT, CMD_STAT):
        try:
            kind, message = sftp._request(command, path)
        except (FileNotFoundError, PermissionError, EOFError, paramiko.SSHException, TimeoutError):
            raise
        except OSError:
            if sftp.get_channel().closed:
                raise
            continue
        if kind != CMD_ATTRS:
            raise BadAnswerError
        return _parse_attributes(message, b"")
    return Attributes()


def find_attributes(sftp: SftpClient, path: str, most_names: int, most_bytes: int) -> Attributes:
    """Read the attributes of a file; where the server gives none, its folder's listing tells.

    Some servers answer only that something failed if a file is missing.

    Raises:
        FileNotFoundError: the file does not exist.
        ListingTooLongError: as read_folder().

    """
    found = read_attributes(sftp, path)
    if found.size is not None or found.modified_at is not None:
        return found
    folder, _, name = path.rpartition("/")
    for listed, attributes in read_folder(sftp, folder or "/", most_names, most_bytes):
        if listed == name.encode():
            return attributes
    raise FileNotFoundError(errno.ENOENT, "no such file")


def read_folder(
    sftp: SftpClient, folder: str, most_names: int, most_bytes: int
) -> Iterator[tuple[bytes, Attributes]]:
    """Yield the names in a folder, as bytes, with their attributes.

    Raises:
        ListingTooLongError: there are more than `most_names`, or they take more than `most_bytes`.

    """
    # SFTPClient.listdir_attr raises on the first name that is not UTF-8, and has no limits.
    kind, message = sftp._request(CMD_OPENDIR, folder)
    if kind != CMD_HANDLE:
        raise BadAnswerError
    handle = message.get_binary()
    names = byte_count = 0
    try:
        while True:
            try:
                kind, message = sftp._request(CMD_READDIR, handle)
            except EOFError:
                return
            if kind != CMD_NAME:
                raise BadAnswerError
            count = message.get_int()
            byte_count += len(message.asbytes())
            # An answer without names costs as much as one with a name.
            names += max(count, 1)
            if count * _SHORTEST_NAME > len(message.asbytes()):
                raise BadAnswerError
            if names > most_names or byte_count > most_bytes:
                raise ListingTooLongError
            for _ in range(count):
                name, long_name = message.get_binary(), message.get_binary()
                yield name, _parse_attributes(message, long_name)
    finally:
        _close(sftp, handle)


def read_chunks(
    sftp: SftpClient, path: str, size: int | None, window: int
) -> Generator[memoryview | bytes]:
    """Yield the bytes of a file from start to end, even if the given size is wrong.

    Args:
        sftp: the connection.
        path: the file.
        size: its size in bytes, if known; beyond it, one request at a time is sent.
        window: the maximum number of outstanding requests of 32 KiB, or as many bytes in fewer
            requests. Paramiko's own method sends all of them at once, from a thread that dies with
            a traceback when the server breaks off.

    """
    kind, message = sftp._request(CMD_OPEN, path, SFTP_FLAG_READ, paramiko.SFTPAttributes())
    if kind != CMD_HANDLE:
        raise BadAnswerError
    handle = message.get_binary()
    try:
        yield from _Reading(sftp, handle, size, window).chunks()
    finally:
        _close(sftp, handle)


class _Reading:
    """The outstanding requests for a file, in the order of the file."""

    def __init__(self, sftp: SftpClient, handle: bytes, size: int | None, window: int) -> None:
        self._sftp = sftp
        self._handle = handle
        self._size = size
        self._length = min(sftp.read_bytes(), window * _READ_BYTES)
        self._window = window * _READ_BYTES // self._length
        self._answers: dict[int, tuple[int, Any]] = {}
        self._waiting: deque[tuple[int, int, int]] = deque()
        self._is_over = False

    def chunks(self) -> Generator[memoryview | bytes]:
        next_offset, length, allowed = 0, self._length, 1
        try:
            while True:
                while len(self._waiting) < allowed and (
                    not self._waiting or self._size is None or next_offset < self._size
                ):
                    self._waiting.append(self._request(next_offset, length))
                    next_offset += length
                number, offset, asked = self._waiting.popleft()
                data = self._wait_for(number)
                if not data:
                    return
                if len(data) > asked:
                    raise BadAnswerError
                if len(data) < asked:
                    # The end of the file, or a server that returns fewer bytes per request.
                    rest = self._request(offset + len(data), asked - len(data))
                    self._waiting.appendleft(rest)
                    if self._size is None or offset + len(data) < self._size:
                        length = min(length, len(data))
                allowed = min(self._window, allowed + 1)
                yield data
        finally:
            self._is_over = True
            self._answers.clear()

    def _request(self, offset: int, length: int) -> tuple[int, int, int]:
        number = self._sftp._async_request(self, CMD_READ, self._handle, int64(offset), length)
        return number, offset, length

    def _wait_for(self, number: int) -> memoryview | bytes:
        """Return the bytes that answer a request; empty at the end of the file."""
        while number not in self._answers:
            self._sftp._read_response()
        kind, message = self._answers.pop(number)
        if kind == CMD_STATUS:
            try:
                self._sftp._convert_status(message)
            except EOFError:
                return b""
        if kind != CMD_DATA:
            raise BadAnswerError
        # Paramiko would copy the bytes, and fill missing ones with zeros.
        answer = memoryview(message.asbytes())
        data = answer[_DATA_START_BYTES:]
        if not data or len(data) != int.from_bytes(answer[4:_DATA_START_BYTES], "big"):
            raise BadAnswerError
        return data

    def _async_response(self, kind: int, message: Any, number: int) -> None:
        """Store an answer; paramiko calls this."""
        if not self._is_over:
            self._answers[number] = kind, message


def _close(sftp: SftpClient, handle: bytes) -> None:
    """Close the handle without waiting for the answer: a server that hangs never sends it."""
    with suppress(OSError, EOFError):
        sftp._async_request(type(None), CMD_CLOSE, handle)


def as_instant(seconds: int | None) -> datetime | None:
    """Convert a server's time, in whole seconds, to UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _parse_attributes(message: paramiko.Message, long_name: bytes) -> Attributes:
    flags = message.get_int()
    size = message.get_int64() if flags & _FLAG_SIZE else None
    if size is not None and size > _LARGEST_SIZE:
        size = None
    if flags & _FLAG_OWNER:
        message.get_int()
        message.get_int()
    mode = message.get_int() if flags & _FLAG_PERMISSIONS else 0
    accessed_at = message.get_int() if flags & _FLAG_TIMES else None
    modified_at = message.get_int() if flags & _FLAG_TIMES else None
    if flags & _FLAG_EXTENDED:
        count = message.get_int()
        if count * _SHORTEST_EXTENSION > len(message.asbytes()):
            raise BadAnswerError
        for _ in range(count):
            message.get_binary()
            message.get_binary()
    is_file, is_folder = _find_kind(mode, long_name)
    return Attributes(is_file, is_folder, size, modified_at, accessed_at)


def _find_kind(mode: int, long_name: bytes) -> tuple[bool | None, bool]:
    """Return whether it is a regular file (None if unknown), and whether it is a folder."""
    if stat.S_IFMT(mode):
        return stat.S_ISREG(mode), stat.S_ISDIR(mode)
    listed = _LONG_NAME.match(long_name)
    if listed is None:
        return None, False
    return listed[1] == b"-", listed[1] == b"d"
