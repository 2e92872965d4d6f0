"""Secrets: our keys and passwords, and the trusted keys of servers."""

from __future__ import annotations

import hmac
import re
import threading
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import paramiko
from paramiko.config import SSH_PORT

from orchestration.contracts.organizations import Organization
from orchestration.installation.messages import list_some
from orchestration.servers.errors import SftpError

_KNOWN_HOSTS_FILE = "SFTP_KNOWN_HOSTS_FILE"
_READING_KNOWN_HOSTS = threading.Lock()
_REVOKED = "@revoked"
_HASHED = "|1|"
_MOST_LINES = 3


@dataclass(frozen=True)
class Secret:
    """The credentials of a login: a password, a key, or both."""

    password: str | None
    key: paramiko.PKey | None
    password_variable: str
    key_variable: str


@dataclass(frozen=True)
class Login:
    """What organizations have in common whose connections are alike: server, user and secrets."""

    host: str
    port: int
    username: str
    password: str | None = field(repr=False)
    key_file: str | None
    known_hosts_file: str | None


def read_login(organization: Organization, environment: Mapping[str, str]) -> Login:
    """Read an organization's login from its contract and the environment."""
    password_variable, key_variable = _variables(organization)
    return Login(
        organization.sftp_host,
        organization.sftp_port,
        organization.sftp_username,
        environment.get(password_variable) or None,
        environment.get(key_variable) or None,
        environment.get(_KNOWN_HOSTS_FILE),
    )


def _variables(organization: Organization) -> tuple[str, str]:
    suffix = organization.organization_id.upper()
    return f"SFTP_PASSWORD_{suffix}", f"SFTP_PRIVATE_KEY_FILE_{suffix}"


def read_secret(organization: Organization, environment: Mapping[str, str]) -> Secret:
    """Read the password and key of an organization from the environment."""
    password_variable, key_variable = _variables(organization)
    key_file = environment.get(key_variable)
    password = environment.get(password_variable) or None
    if not key_file and not password:
        raise SftpError("no_credentials", f"set {password_variable} or {key_variable}")
    if key_file and not Path(key_file).is_file():
        raise SftpError("no_credentials", f"{key_variable} names no file: correct it")
    try:
        key = paramiko.PKey.from_path(key_file) if key_file else None
    except Exception:
        raise SftpError(
            "no_credentials",
            f"{key_variable} is no private key or is encrypted: name one that is not",
        ) from None
    return Secret(password, key, password_variable, key_variable)


@dataclass(frozen=True)
class TrustedKeys:
    """What SFTP_KNOWN_HOSTS_FILE lists for a server.

    Args:
        keys: those that are trusted; there may be several of one type.
        revoked: those that are not, also where another line lists them without the mark.
        unusable_lines: the numbers of the lines for the server from which no key can be read, or
            none of a server: authorities are not supported.

    """

    keys: tuple[paramiko.PKey, ...] = ()
    revoked: tuple[paramiko.PKey, ...] = ()
    unusable_lines: tuple[int, ...] = ()

    @property
    def complaint(self) -> str | None:
        """The sentence about the lines that cannot be used; None if all can."""
        if not self.unusable_lines:
            return None
        numbers = list_some([str(number) for number in self.unusable_lines], _MOST_LINES)
        return f"{_KNOWN_HOSTS_FILE} lists it where no key can be read, correct line {numbers}"

    def require(self, shown: paramiko.PKey) -> None:
        """Check the key that the server shows.

        Raises:
            SftpError: `host_key_unknown`, `host_key_changed`.

        """
        said = f"the server shows a {shown.get_name()} key"
        more = "" if self.complaint is None else f"; {self.complaint}"
        if shown in self.revoked:
            raise SftpError(
                "host_key_changed",
                f"{said} that is marked as revoked in {_KNOWN_HOSTS_FILE}: ask the organization"
                " for its new key",
            )
        if not self.keys:
            raise SftpError(
                "host_key_unknown",
                f"{said} and {_KNOWN_HOSTS_FILE} lists none for it: compare it with the"
                f" organization's, then add it{more}",
            )
        if shown not in self.keys:
            raise SftpError(
                "host_key_changed",
                f"{said} that is not one of those listed for it in {_KNOWN_HOSTS_FILE}: ask the"
                f" organization whether it has changed its key{more}",
            )


def read_trusted_keys(organization: Organization, environment: Mapping[str, str]) -> TrustedKeys:
    """Read the keys that are listed for the server, line by line as OpenSSH does.

    A line that cannot be read costs the servers of other lines nothing (R20).

    Raises:
        SftpError: `no_known_hosts`.

    """
    path = environment.get(_KNOWN_HOSTS_FILE)
    if not path or not Path(path).is_file():
        raise SftpError("no_known_hosts", f"{_KNOWN_HOSTS_FILE} names no file of trusted keys")
    host, port = organization.sftp_host.lower(), organization.sftp_port
    name = host if port == SSH_PORT else f"[{host}]:{port}"
    with _READING_KNOWN_HOSTS:
        lines = [line for line in _read_known_hosts(Path(path).read_bytes()) if line.is_for(name)]
    revoked = [line.key for line in lines if line.marker == _REVOKED and line.key]
    keys = [line.key for line in lines if not line.marker and line.key]
    return TrustedKeys(
        tuple(key for key in keys if key not in revoked),
        tuple(revoked),
        tuple(line.number for line in lines if line.key is None),
    )


@dataclass(frozen=True)
class _Line:
    """A line of the known hosts; `key` is None if it has none that can be used."""

    number: int
    marker: str
    hosts: tuple[str, ...]
    key: paramiko.PKey | None

    def is_for(self, name: str) -> bool:
        """Return whether the line names a server; its patterns may exclude it with a `!`."""
        excluded = [host[1:] for host in self.hosts if host.startswith("!")]
        return any(_is_named(host, name) for host in self.hosts) and not any(
            _is_named(host, name) for host in excluded
        )


def _is_named(host: str, name: str) -> bool:
    """Return whether a host of a line, which may be hashed or have wildcards, is the server."""
    if host.startswith(_HASHED):
        try:
            salt, digest = map(b64decode, host.removeprefix(_HASHED).split("|"))
        except ValueError:
            return False
        return hmac.digest(salt, name.encode(), "sha1") == digest
    if "*" not in host and "?" not in host:
        return host.lower() == name
    pattern = re.escape(host.lower()).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(pattern, name) is not None


@lru_cache(maxsize=1)
def _read_known_hosts(content: bytes) -> tuple[_Line, ...]:
    """Parse the lines for all servers, cached: parsing a thousand takes longer than connecting."""
    lines: list[_Line] = []
    for number, line in enumerate(content.splitlines(), start=1):
        fields = [field.decode("utf-8", "replace") for field in line.split()]
        if not fields or fields[0].startswith("#"):
            continue
        marker = fields.pop(0) if fields[0].startswith("@") else ""
        hosts = tuple(fields[0].split(",")) if fields else ()
        key = _read_key(*fields[1:3]) if marker in ("", _REVOKED) else None
        lines.append(_Line(number, marker, hosts, key))
    return tuple(lines)


def _read_key(kind: str = "", key: str = "") -> paramiko.PKey | None:
    try:
        return paramiko.PKey.from_type_string(kind, b64decode(key))
    except Exception:  # paramiko and the libraries below it raise what they like
        return None
