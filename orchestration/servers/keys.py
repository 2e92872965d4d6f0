"""Secrets: our keys and passwords, and the trusted keys of servers."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import paramiko
from paramiko.config import SSH_PORT

from orchestration.contracts.organizations import Organization
from orchestration.servers.errors import SftpError

_KNOWN_HOSTS_FILE = "SFTP_KNOWN_HOSTS_FILE"
_READING_KNOWN_HOSTS = threading.Lock()


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


def read_trusted_keys(
    organization: Organization, environment: Mapping[str, str]
) -> list[paramiko.PKey]:
    """Read all keys that are listed for the server, also several of one type, as OpenSSH does."""
    path = environment.get(_KNOWN_HOSTS_FILE)
    if not path or not Path(path).is_file():
        raise SftpError("no_known_hosts", f"{_KNOWN_HOSTS_FILE} names no file of trusted keys")
    host, port = organization.sftp_host, organization.sftp_port
    name = host if port == SSH_PORT else f"[{host}]:{port}"
    with _READING_KNOWN_HOSTS:
        known = _read_known_hosts(path, Path(path).read_bytes())
    listed = known.lookup(name)
    # The public method returns only the first key of each type.
    return [] if listed is None else [entry.key for entry in listed._entries if entry.key]


@lru_cache(maxsize=1)
def _read_known_hosts(path: str, content: bytes) -> paramiko.HostKeys:  # noqa: ARG001 (part of the key)
    """Parse the trusted keys of all servers, cached: parsing a thousand takes longer than
    connecting.
    """
    return paramiko.HostKeys(path)
