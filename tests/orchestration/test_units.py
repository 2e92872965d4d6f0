"""The services of docs/deploy start what there is, and each may do as little as the daemon."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from orchestration.__main__ import VERBS
from orchestration.installation.home import PROJECT

DEPLOY = PROJECT / "docs" / "deploy"
SERVICES = ("saldo-daemon", "saldo-pages", "saldo-webserver")
# What a service may differ in: what it starts, how it is stopped, and whom it may reach.
OWN = {
    "ExecStart",
    "ExecStartPre",
    "IPAddressAllow",
    "IPAddressDeny",
    "TimeoutStopSec",
}


def _settings(name: str, section: str) -> list[tuple[str, str]]:
    text = (DEPLOY / f"{name}.service").read_text("utf-8")
    (lines,) = (part for part in text.split("\n[") if part.startswith(f"{section}]"))
    pairs = (line.partition("=") for line in lines.splitlines()[1:] if not line.startswith("#"))
    return [(key, value) for key, _, value in pairs if key]


def test_the_services_are_these_and_the_page_names_them() -> None:
    assert sorted(path.name for path in DEPLOY.iterdir()) == [
        "environment",
        "saldo-alert@.service",
        *(f"{name}.service" for name in SERVICES),
    ]
    page = (PROJECT / "docs" / "deployment.md").read_text("utf-8")
    assert [name for name in SERVICES if f"(deploy/{name}.service)" not in page] == []


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_starts_what_there_is(name: str) -> None:
    settings = _settings(name, "Service")
    for command in (value for key, value in settings if key in ("ExecStart", "ExecStartPre")):
        program, *arguments = shlex.split(command)
        assert Path(program).parent == Path("/opt/saldo/.venv/bin")
        if arguments[:2] == ["-m", "orchestration"]:
            assert arguments[2] in VERBS


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_may_do_as_little_as_the_daemon(name: str) -> None:
    def of_all(service: str) -> set[tuple[str, str]]:
        return {each for each in _settings(service, "Service") if each[0] not in OWN}

    assert of_all(name) == of_all("saldo-daemon")
    limits = {"StartLimitIntervalSec", "StartLimitBurst", "OnFailure"}
    assert [each for each in _settings(name, "Unit") if each[0] in limits] == [
        ("StartLimitIntervalSec", "600"),
        ("StartLimitBurst", "5"),
        ("OnFailure", "saldo-alert@%p.service"),
    ]
