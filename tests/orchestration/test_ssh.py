"""The codes and sentences of connection errors, and what is preferred of an offer (R20, R30)."""

from __future__ import annotations

import dataclasses
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import paramiko
import pytest

from orchestration.contracts.organizations import read_organizations
from orchestration.installation.home import PROJECT
from orchestration.servers import ssh
from orchestration.servers.errors import SftpError
from orchestration.servers.keys import TrustedKeys, read_trusted_keys
from orchestration.servers.remote_reading import BadAnswerError, ListingTooLongError

LUMINA = read_organizations(PROJECT / "seeds")[0]
KEY, OTHER_KEY = paramiko.ECDSAKey.generate(), paramiko.ECDSAKey.generate()
BROKE_OFF = ("connection_lost", "the server broke off the greeting")
IN_TIME = ("timed_out", "the server did not answer in time")
NO_TEXT = UnicodeDecodeError("utf-8", b"\xed", 0, 1, "invalid continuation byte")
NOT_SFTP = ("server_failed", "the server's answer is not what SFTP says")


@pytest.fixture
def transport() -> Iterator[ssh._Transport]:
    ours, theirs = socket.socketpair()
    made = ssh._Transport(ours)
    yield made
    made.close()
    theirs.close()


def _after_a_time_out() -> paramiko.SSHException:
    error = paramiko.SSHException("no banner")
    error.__context__ = TimeoutError()
    return error


@pytest.mark.parametrize(
    ("error", "is_connected", "code", "said"),
    [
        (paramiko.AuthenticationException("Authentication timeout."), True, "timed_out", None),
        (paramiko.AuthenticationException("EOF"), True, "connection_lost", None),
        (TimeoutError(), True, *IN_TIME),
        (TimeoutError(), False, *IN_TIME),
        (OSError(), True, *BROKE_OFF),
        (EOFError(), True, *BROKE_OFF),
        (OSError(), False, "unreachable", "nothing answers at the server's address"),
        (paramiko.SSHException(), True, *BROKE_OFF),
        (NO_TEXT, True, *BROKE_OFF),
        (_after_a_time_out(), True, *IN_TIME),
    ],
    ids=str,
)
def test_an_error_while_connecting_has_its_code_and_sentence(
    transport: ssh._Transport,
    error: Exception,
    is_connected: bool,
    code: str,
    said: str | None,
) -> None:
    logins = {
        "timed_out": "the server did not answer the login in time",
        "connection_lost": "the server broke off the login",
    }
    told = ssh._translate(error, transport if is_connected else None)
    assert told is not None
    assert (told.code, str(told)) == (code, str(SftpError(code, said or logins[code])))


def test_a_key_of_ours_that_no_signature_fits_is_told_with_what_would_do(
    transport: ssh._Transport,
) -> None:
    told = ssh._translate(paramiko.AuthenticationException("Unable to agree on it"), transport)
    assert told is not None
    assert told.code == "no_common_algorithm"
    assert str(told) == (
        "the server takes no signature of the key that Saldo can make: have it accept"
        " rsa-sha2-512 or rsa-sha2-256, or use an ed25519 key"
    )


@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt()], ids=repr)
def test_what_is_no_fault_of_a_server_is_not_told_as_one(error: BaseException) -> None:
    assert ssh._translate(error, None) is None


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (FileNotFoundError(), "gone", "no such file or folder"),
        (PermissionError(), "no_permission", "the server does not allow it"),
        (TimeoutError(), *IN_TIME),
        (paramiko.SSHException(), "connection_lost", "the connection broke"),
        (EOFError(), "connection_lost", "the connection broke"),
        (ConnectionResetError(), "connection_lost", "the connection broke"),
        (OSError("Socket is closed"), "connection_lost", "the connection broke"),
        (BadAnswerError(), *NOT_SFTP),
        (paramiko.SFTPError(), *NOT_SFTP),
        (struct.error(), *NOT_SFTP),
        (NO_TEXT, *NOT_SFTP),
        (
            ListingTooLongError(),
            "listing_too_long",
            "there are more files than SALDO_LISTING_LIMIT allows: have old files removed",
        ),
        (OSError("no space"), "server_failed", "the server failed"),
    ],
    ids=repr,
)
def test_an_error_while_files_are_asked_for_has_its_code_and_sentence(
    error: Exception, code: str, said: str
) -> None:
    with pytest.raises(SftpError) as raised, ssh.translated("looking into inbox", missing="gone"):
        raise error
    expected = SftpError(code, f"looking into inbox: {said}")
    assert (raised.value.code, str(raised.value)) == (code, str(expected))
    assert raised.value.__suppress_context__


def test_what_is_missing_is_a_folder_unless_said_otherwise() -> None:
    with pytest.raises(SftpError) as raised, ssh.translated("listing inbox"):
        raise FileNotFoundError
    assert raised.value.code == "no_folder"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("kex_algo_list", "key exchange"),
        ("server_key_algo_list", "host key"),
        ("client_encrypt_algo_list", "cipher"),
        ("client_mac_algo_list", "message authentication"),
    ],
)
def test_the_kind_of_algorithm_that_is_not_common_is_told(
    transport: ssh._Transport, name: str, kind: str
) -> None:
    ours = {
        "kex_algo_list": transport.preferred_kex,
        "server_key_algo_list": transport.preferred_keys,
        "client_encrypt_algo_list": transport.preferred_ciphers,
        "client_mac_algo_list": transport.preferred_macs,
    }
    assert transport.find_disagreement() is None
    transport.offered = {each: [algorithms[-1]] for each, algorithms in ours.items()}
    assert transport.find_disagreement() is None
    transport.offered = {**transport.offered, name: ["of-old"]}
    told = ssh._translate(EOFError(), transport)
    assert told is not None
    assert (told.code, str(told)) == (
        "no_common_algorithm",
        f"no {kind} algorithm in common: the server offers of-old; Saldo takes"
        f" {ssh._shown(ours[name])}: ask for one of these on the server",
    )


def test_of_what_a_server_offers_a_dozen_names_are_told_that_are_names() -> None:
    names = [f"name-{number}@example.org" for number in range(12)]
    odd = ["kex-strict-s-v00@openssh.com", "ext-info-s", "two words", "x" * 65, "", "ñ", "a\n"]
    assert ssh._shown([*odd, *names]) == ", ".join(names)
    assert ssh._shown([*names, "x" * 64, "last"]) == f"{', '.join(names)} and 2 more"
    assert ssh._shown(odd) == "none"


def test_keys_that_can_be_checked_and_fast_ciphers_are_asked_for_first(
    transport: ssh._Transport,
) -> None:
    options = transport.get_security_options()
    key_types, ciphers = options.key_types, options.ciphers
    ssh._prefer(transport, [KEY, paramiko.RSAKey.generate(1024)])
    first = ("ecdsa-sha2-nistp256", "rsa-sha2-512", "rsa-sha2-256")
    assert options.key_types == (*first, *(name for name in key_types if name not in first))
    fast = tuple(name for name in ciphers if "gcm" in name)
    assert fast
    assert options.ciphers == (*fast, *(name for name in ciphers if name not in fast))


def _line(key: paramiko.PKey, hosts: str = "servidor.cl") -> str:
    return f"{hosts} {key.get_name()} {key.get_base64()}"


def _trusted(path: Path, *lines: str | bytes, port: int = 22) -> TrustedKeys:
    path.write_bytes(
        b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines)
    )
    organization = dataclasses.replace(LUMINA, sftp_host="Servidor.cl", sftp_port=port)
    return read_trusted_keys(organization, {"SFTP_KNOWN_HOSTS_FILE": str(path)})


@pytest.mark.parametrize(
    "line",
    [
        b"# due\xf1o: Agua S.A.",
        _line(OTHER_KEY, "otro.cl").encode() + b" due\xf1o",
        "",
        "@",
        "@revoked",
        "@revoked * ssh-ed25519",
        "otro.cl",
        "otro.cl ssh-ed25519",
        "otro.cl ssh-ed25519 AAAA",
        "otro.cl ssh-dss AAAAB3NzaC1kc3M=",
        f"otro.cl {OTHER_KEY.get_name()} {OTHER_KEY.get_base64()[:-5]}",
        f"otro.cl {OTHER_KEY.get_name()} {OTHER_KEY.get_base64()[:-8]}",
        f"otro.cl ssh-rsa {OTHER_KEY.get_base64()}",
        _line(OTHER_KEY, "|1|bm9uZQ=="),
        _line(OTHER_KEY, "|1|short|bm9uZQ=="),
        _line(OTHER_KEY, "@revoked otro.cl"),
        _line(OTHER_KEY, "@cert-authority *"),
        _line(OTHER_KEY, "*.cl,!servidor.cl"),
    ],
)
def test_a_line_that_cannot_be_read_takes_no_key_of_another_line_away(
    tmp_path: Path, line: str | bytes
) -> None:
    trusted = _trusted(tmp_path / "known_hosts", line, _line(KEY), line)
    assert trusted.keys == (KEY,)
    trusted.require(KEY)


@pytest.mark.parametrize(
    ("line", "port"),
    [
        (_line(KEY).replace(" ", "  "), 22),
        (_line(KEY).replace(" ", "\t "), 22),
        (f"  {_line(KEY)} of the plant\r", 22),
        (_line(KEY, "otro.cl,SERVIDOR.cl"), 22),
        (_line(KEY, "*.cl"), 22),
        (_line(KEY, "[servidor.cl]:2222"), 2222),
        (_line(KEY, "[servidor.??]:2222"), 2222),
        (_line(KEY, paramiko.HostKeys.hash_host("servidor.cl")), 22),
        (_line(KEY, paramiko.HostKeys.hash_host("[servidor.cl]:2222")), 2222),
    ],
)
def test_a_line_is_read_as_openssh_reads_it(tmp_path: Path, line: str, port: int) -> None:
    assert _trusted(tmp_path / "known_hosts", line, port=port).keys == (KEY,)


@pytest.mark.parametrize(
    "hosts",
    ["*", "servidor.cl", paramiko.HostKeys.hash_host("servidor.cl")],
    ids=["all", "plain", "hashed"],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_revoked_key_is_refused_also_where_it_is_listed(
    tmp_path: Path, hosts: str, is_first: bool
) -> None:
    lines = [_line(KEY, f"@revoked {hosts}"), _line(KEY)]
    trusted = _trusted(tmp_path / "known_hosts", *(lines if is_first else lines[::-1]))
    assert trusted.keys == ()
    with pytest.raises(SftpError) as raised:
        trusted.require(KEY)
    assert (raised.value.code, str(raised.value)) == (
        "host_key_changed",
        "the server shows a ecdsa-sha2-nistp256 key that is marked as revoked in"
        " SFTP_KNOWN_HOSTS_FILE: ask the organization for its new key",
    )


def test_a_key_that_is_not_listed_is_told_as_unknown_or_changed() -> None:
    TrustedKeys((OTHER_KEY, KEY)).require(KEY)
    told = {}
    for trusted in ((), (OTHER_KEY,)):
        with pytest.raises(SftpError) as raised:
            TrustedKeys(trusted).require(KEY)
        told[raised.value.code] = str(raised.value)
    assert told == {
        "host_key_unknown": (
            "the server shows a ecdsa-sha2-nistp256 key and SFTP_KNOWN_HOSTS_FILE lists none for"
            " it: compare it with the organization's, then add it"
        ),
        "host_key_changed": (
            "the server shows a ecdsa-sha2-nistp256 key that is not one of those listed for it in"
            " SFTP_KNOWN_HOSTS_FILE: ask the organization whether it has changed its key"
        ),
    }


@pytest.mark.parametrize("listed", [[], [_line(OTHER_KEY)]])
def test_lines_for_the_server_that_give_no_key_are_told_with_a_key_that_is_not_listed(
    tmp_path: Path, listed: list[str]
) -> None:
    unusable = [f"servidor.cl {KEY.get_name()} AAA", _line(OTHER_KEY, "@cert-authority *")]
    trusted = _trusted(tmp_path / "known_hosts", "otro.cl x AAA", *unusable, *listed)
    with pytest.raises(SftpError) as raised:
        trusted.require(KEY)
    assert trusted.complaint == (
        "SFTP_KNOWN_HOSTS_FILE lists it where no key can be read, correct line 2, 3"
    )
    assert str(raised.value).endswith(f"; {trusted.complaint}")


@pytest.mark.parametrize("code", [None, "timed_out"])
def test_attempts_on_a_server_that_has_dropped_none_are_made_at_once(code: str | None) -> None:
    address = ("of none", 22)
    with ssh._turn(address, SftpError(code, "x") if code else None):
        assert not ssh._TRYING_AGAIN[address].locked()


def test_attempts_on_a_server_that_has_dropped_one_are_made_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ssh, "_TURN_SECONDS", 0.01)
    address, dropped = ("of one", 22), SftpError("connection_lost", "x")
    turn = ssh._TRYING_AGAIN[address]
    with ssh._turn(address, dropped):
        assert turn.locked()
        # A second attempt gives up waiting, and must not release the lock of the first.
        with ssh._turn(address, dropped):
            pass
        assert turn.locked()
    assert not turn.locked()
