"""Alerts reach a command and an address, say what happened, and nothing that must not be told."""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import pytest

from orchestration.installation.home import PROJECT, Home
from orchestration.installation.redaction import Redacting, redact
from orchestration.installation.tracing import WHERE
from orchestration.reports.alerts import Alert, send
from orchestration.reports.run_alerts import REPORT, alert_of, trace_failures
from tests.orchestration.forking import run_module
from tests.orchestration.starting import lend_parse

WARNING = Alert(
    "warning", "the run of 2026-03-02 has warnings", ("files missing: lumina (2026-03-02)",)
)


class Receiver:
    """A chat system's address on loopback; keeps what is posted to it."""

    def __init__(self) -> None:
        self.received: list[tuple[str | None, bytes]] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append((self.headers["Content-Type"], content))
                self.send_response(receiver.status)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/hook/s3cret"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    threading.Thread(target=receiver.server.serve_forever, daemon=True).start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


def _send(alert: Alert, **environment: str) -> list[str]:
    said: list[str] = []
    send(alert, environment, said.append)
    return said


def test_an_address_is_posted_one_json_object(receiver):
    assert _send(WARNING, SALDO_ALERT_WEBHOOK=receiver.address) == []
    ((content_type, content),) = receiver.received
    assert content_type == "application/json"
    assert json.loads(content) == {
        "level": "warning",
        "title": "the run of 2026-03-02 has warnings",
        "text": "Saldo: the run of 2026-03-02 has warnings\n- files missing: lumina (2026-03-02)",
        "lines": ["files missing: lumina (2026-03-02)"],
        "report": None,
    }


def test_a_command_is_given_the_same_on_its_standard_input(tmp_path: Path):
    taken = tmp_path / "taken.json"
    code = f"import sys; open({str(taken)!r}, 'w').write(sys.stdin.read())"
    assert _send(WARNING, SALDO_ALERT_COMMAND=shlex.join([sys.executable, "-c", code])) == []
    assert json.loads(taken.read_text())["level"] == "warning"


@pytest.fixture
def home(home: Home) -> Home:
    """Commands start in it."""
    lend_parse(home)
    return home


@pytest.fixture
def taken(tmp_path: Path) -> Path:
    """Where `_command` writes the alerts that it is given, one a line."""
    return tmp_path / "taken.jsonl"


def _command(taken: Path) -> str:
    code = f"import sys; open({str(taken)!r}, 'a').write(sys.stdin.read() + chr(10))"
    return shlex.join([sys.executable, "-c", code])


def _run(home: Home, taken: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = {"SALDO_ALERT_COMMAND": _command(taken)}
    return run_module("orchestration", arguments, {**os.environ, **home.environment(), **command})


def test_a_run_that_dagster_cannot_begin_is_told_by_the_command(home: Home, taken: Path):
    (home.dagster / "dagster.yaml").write_text("storage: {sqlite\n")
    result = _run(home, taken, "run", "--date", "2026-03-02")
    assert result.returncode == 1
    assert result.stderr.startswith("saldo: Dagster failed (")
    (alert,) = map(json.loads, taken.read_text().splitlines())
    assert (alert["level"], alert["title"]) == ("failed", "the run of 2026-03-02 did not happen")
    assert alert["lines"] == [f"DagsterFailedError: {result.stderr[7:-1]}"]


@pytest.fixture
def full(home: Home, mount_small_disk: Callable[..., None]) -> Home:
    """A home without room for anything of Dagster's but its settings."""
    settings = (home.dagster / "dagster.yaml").read_bytes()
    mount_small_disk(home.dagster, megabytes=1)
    home.dagster.chmod(0o700)
    (home.dagster / "dagster.yaml").write_bytes(settings)
    with suppress(OSError), (home.dagster / "filling").open("wb", buffering=0) as filling:
        while True:
            filling.write(bytes(4096))
    return home


def test_a_run_for_which_there_is_no_room_is_told_by_the_command(full: Home, taken: Path):
    result = _run(full, taken, "run", "--date", "2026-03-02")
    assert result.returncode == 1
    assert result.stderr.startswith(f"saldo: the disk of {full.dagster} is full (")
    (alert,) = map(json.loads, taken.read_text().splitlines())
    assert alert["title"] == "the run of 2026-03-02 did not happen"


def test_wrong_contracts_are_told_by_the_command(home: Home, taken: Path, tmp_path: Path):
    seeds = Path(shutil.copytree(home.seeds, tmp_path / "seeds"))
    (seeds / "payment_statuses.csv").unlink()
    wrong = Home(home.root, seeds)
    result = _run(wrong, taken, "run", "--date", "2026-03-02")
    assert result.returncode == 2
    (alert,) = map(json.loads, taken.read_text().splitlines())
    assert alert["lines"] == [f"ContractError: {result.stderr[7:-1]}"]


def _unit_says(name: str, setting: str) -> list[str]:
    """What a unit of the documentation says, with the commands of this environment."""
    lines = (PROJECT / "docs" / "deploy" / f"{name}.service").read_text().splitlines()
    said = [line.partition("=")[2] for line in lines if line.startswith(f"{setting}=")]
    commands = str(Path(sys.executable).parent)
    return [each.replace("/opt/saldo/.venv/bin", commands) for each in said]


def _as_the_unit_does(home: Home, taken: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of a unit, whose working folder is the project."""
    return subprocess.run(
        shlex.split(command),
        cwd=PROJECT,
        env={**os.environ, **home.environment(), "SALDO_ALERT_COMMAND": _command(taken)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["saldo-daemon", "saldo-webserver"])
def test_a_service_that_cannot_start_for_want_of_room_fails_and_its_unit_tells(
    full: Home, taken: Path, name: str
):
    steps = [*_unit_says(name, "ExecStartPre"), *_unit_says(name, "ExecStart")]
    # systemd goes no further than the first that fails, and after five times runs `OnFailure`
    failed = any(_as_the_unit_does(full, taken, step).returncode for step in steps)
    assert failed
    (told_by,) = _unit_says(name, "OnFailure")
    template, _, instance = told_by.replace("%p", name).removesuffix(".service").partition("@")
    (command,) = _unit_says(f"{template}@", "ExecStart")
    result = _as_the_unit_does(full, taken, command.replace("%i", instance))
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    (alert,) = map(json.loads, taken.read_text().splitlines())
    assert (alert["level"], alert["title"], alert["lines"]) == (
        "failed",
        f"{name} has failed and stays down",
        [
            f"see: journalctl --unit {name}; then: systemctl reset-failed {name} && systemctl start"
            f" {name}"
        ],
    )


def test_without_configuration_nothing_is_sent(receiver):
    assert _send(WARNING) == _send(WARNING, SALDO_ALERT_COMMAND="", SALDO_ALERT_WEBHOOK="") == []
    assert receiver.received == []


def test_an_alert_that_is_not_taken_is_told_without_the_address(receiver):
    receiver.status = 500
    nowhere = {"SALDO_ALERT_COMMAND": "/no/such/command", "SALDO_ALERT_WEBHOOK": receiver.address}
    assert _send(WARNING, **nowhere) == [
        "SALDO_ALERT_COMMAND: the alert was not taken (FileNotFoundError)",
        "SALDO_ALERT_WEBHOOK: the alert was not taken (HTTPError)",
    ]
    assert _send(WARNING, SALDO_ALERT_WEBHOOK="file:///etc/passwd") == [
        "SALDO_ALERT_WEBHOOK: the alert was not taken (ValueError)"
    ]


def test_no_mail_no_rut_and_no_secret_is_sent(receiver):
    said = "12.345.678-5 and 7654321-K, ana.rojas+1@correo.cl, hunter2, t0ken at /hook/s3cret"
    alert = Alert("failed", f"failed: {said}", (said,))
    environment = {
        "SALDO_ALERT_WEBHOOK": receiver.address,
        "SFTP_PASSWORD_LUMINA": "hunter2",
        "SFTP_PASSWORD_EMPTY": "",
        "SPARK_CONNECT_AUTHENTICATE_TOKEN": "t0ken",
    }
    assert _send(alert, **environment) == []
    told = json.loads(receiver.received[0][1])
    assert told["lines"] == ["[rut] and [rut], [mail], [secret], [secret] at /hook/s3cret"]
    assert redact(receiver.address, environment) == "[secret]"
    assert redact("at sc://a:1/;token=t0;user_id=b", {}) == "at sc://a:1/;token=[secret];user_id=b"


def test_a_rut_in_a_name_of_a_file_is_not_sent():
    said = "clientes_12345678-5.xlsx 2026-03-02_toku_12.345.678-k_invoices.csv"
    assert redact(said, {}) == "clientes_[rut].xlsx 2026-03-02_toku_[rut]_invoices.csv"
    said = "2026-03-02-pagos-12345678-5.csv 12.345.678-5-2026-03-02.csv"
    assert redact(said, {}) == "2026-03-02-pagos-[rut].csv [rut]-2026-03-02.csv"
    mistyped = "deudas-12.345.678-9.csv OP-9153032-4 alta-19153032-1"
    assert redact(mistyped, {}) == "deudas-[rut].csv OP-[rut] alta-[rut]"
    like_a_date = "deudas-20260302-5.csv deudas-02032026-5.csv deudas-32032026-1.csv"
    assert redact(like_a_date, {}) == "deudas-[rut].csv deudas-[rut].csv deudas-[rut].csv"


def test_dates_amounts_and_ids_are_not_taken_for_ruts():
    said = (
        "2026-03-02 12.345,00 run 1234567-89 pay-0001 file 60a4f1d2b3c4d5e6 2.345.678"
        " 20260302-20260303.csv 12345678-1234-4123-8123-123456789012"
        " deudas-20260302-1.csv OP-20260302-1 deudas_20260302-1.csv deudas-02032026-1.csv"
    )
    assert redact(said, {}) == said


def test_a_long_alert_is_cut_to_what_a_person_reads():
    alert = Alert("failed", "many", tuple(f"line {number} {'x' * 1000}" for number in range(30)))
    lines = json.loads(alert.to_json({}))["lines"]
    assert [len(line) for line in lines[:-1]] == [600] * 20
    assert lines[-1] == "and 10 more"


def test_what_is_written_to_a_log_is_redacted(tmp_path: Path):
    with (tmp_path / "log").open("w") as target:
        written = Redacting(target, {}).write("customer 12345678-5 failed\n")
    assert written == 27
    assert (tmp_path / "log").read_text() == "customer [rut] failed\n"


class TestRuns:
    """What a run of Dagster tells."""

    def _run(
        self,
        *,
        fails: bool,
        finds: bool,
        then_fails: bool = False,
        report: str | None = None,
        log: io.TextIOBase | None = None,
    ) -> Alert | None:
        @dg.asset
        def files() -> dg.MaterializeResult[None]:
            if fails:
                raise ValueError("no row for 12345678-5")
            path = {} if report is None else {REPORT: dg.MetadataValue.path(report)}
            return dg.MaterializeResult(metadata=path)

        @dg.asset_check(asset=files)
        def no_file_is_missing() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(
                passed=not finds,
                severity=dg.AssetCheckSeverity.WARN,
                description="files missing: lumina (2026-03-02)",
            )

        @dg.asset(deps=[files])
        def copy() -> None:
            if then_fails:
                raise ValueError("no room")

        definitions = dg.Definitions([files, copy], asset_checks=[no_file_is_missing])
        with dg.DagsterInstance.ephemeral() as instance:
            result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
                instance=instance, raise_on_error=False, tags={"dagster/partition": "2026-03-02"}
            )
            trace_failures(result.all_events, log or io.StringIO())
            run = instance.get_run_by_id(result.run_id)
            assert run is not None
            return alert_of(instance, run)

    def test_a_run_without_findings_tells_nothing(self):
        assert self._run(fails=False, finds=False) is None

    def test_a_check_that_found_something_is_a_warning(self):
        assert self._run(fails=False, finds=True) == Alert(
            "warning",
            "the run of 2026-03-02 has warnings",
            ("no_file_is_missing: files missing: lumina (2026-03-02)",),
        )

    def test_the_report_that_the_run_wrote_can_be_attached(self):
        path = "/home/reports/2026-03-02.html"
        alert = self._run(fails=False, finds=True, report=path)
        assert alert is not None
        assert json.loads(alert.to_json({}))["report"] == path
        assert self._run(fails=False, finds=False, report=path) is None

    def test_a_step_that_failed_is_told_with_its_reason(self):
        assert self._run(fails=True, finds=True) == Alert(
            "failed",
            "the run of 2026-03-02 failed",
            ("step files failed: ValueError: no row for [rut]", WHERE),
        )

    def test_a_step_that_failed_is_told_with_what_was_found_besides(self):
        alert = self._run(fails=False, finds=True, then_fails=True)
        assert alert is not None
        assert alert.lines == (
            "step copy failed: ValueError: no room",
            WHERE,
            "no_file_is_missing: files missing: lumina (2026-03-02)",
        )

    def test_the_log_of_a_run_has_the_traceback_of_a_step_that_failed(self):
        log = io.StringIO()
        self._run(fails=True, finds=False, log=log)
        assert "in files\n" in log.getvalue()
        assert "ValueError: no row for [rut]" in log.getvalue()
        assert "12345678-5" not in log.getvalue()
