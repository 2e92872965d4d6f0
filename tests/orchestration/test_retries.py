"""A step waits for whoever reads the warehouse, and for nothing else (R29, R30)."""

import subprocess
import sys
from collections.abc import Callable, Iterator

import dagster as dg
import duckdb
import pytest

from orchestration.defs import resources
from orchestration.defs.resources import Installation, guarded, hold_installation
from orchestration.installation import warehouse
from orchestration.installation.home import Home

READER = """
import duckdb, sys
with duckdb.connect(sys.argv[1], read_only=True):
    print("open", flush=True)
    sys.stdin.read()
"""
RETRIES = 3


@pytest.fixture(autouse=True)
def impatient(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """The installation that the environment names, and retries that come at once."""
    for name, value in home.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(resources, "_BUSY_RETRIES", RETRIES)
    monkeypatch.setattr(resources, "_BUSY_RETRY_SECONDS", 0)


@pytest.fixture
def reader(home: Home) -> Iterator[subprocess.Popen[str]]:
    """Another process that has the warehouse open, until its standard input ends."""
    with warehouse.connect(home):
        pass
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(home.warehouse)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        process.communicate()


def _run(act: Callable[[Home, int], None]) -> tuple[list[str], str]:
    """Run a job with one guarded step; how often the step did what, and how it ended."""

    @dg.op
    def step(context: dg.OpExecutionContext, installation: dg.ResourceParam[Installation]) -> None:
        with guarded():
            act(installation.home(), context.retry_number)

    @dg.job(resource_defs={"installation": hold_installation})
    def job() -> None:
        step()

    result = job.execute_in_process(raise_on_error=False)
    told = [
        event
        for event in result.all_events
        if event.event_type_value
        in {"STEP_START", "STEP_UP_FOR_RETRY", "STEP_RESTARTED", "STEP_SUCCESS", "STEP_FAILURE"}
    ]
    failures = [event.step_failure_data.error for event in told if event.is_step_failure]
    reasons = [str(error.cause or error) for error in failures if error is not None]
    return [event.event_type_value for event in told], "".join(reasons)


def _open_by_us(home: Home) -> None:
    with warehouse.connect(home):
        pass


def _open_as_dbt_does(home: Home) -> None:
    duckdb.connect(str(home.warehouse)).close()


@pytest.mark.parametrize("open_warehouse", [_open_by_us, _open_as_dbt_does])
def test_a_step_that_met_a_reader_is_done_once_the_reader_is_gone(
    reader: subprocess.Popen[str], open_warehouse: Callable[[Home], None]
) -> None:
    def act(home: Home, retry_number: int) -> None:
        if retry_number == 2:
            reader.communicate()
        open_warehouse(home)

    assert _run(act) == (
        [
            "STEP_START",
            "STEP_UP_FOR_RETRY",
            "STEP_RESTARTED",
            "STEP_UP_FOR_RETRY",
            "STEP_RESTARTED",
            "STEP_SUCCESS",
        ],
        "",
    )


def test_a_reader_that_stays_fails_the_step_in_the_end_and_is_named(
    reader: subprocess.Popen[str],
) -> None:
    told, reason = _run(lambda home, _: _open_by_us(home))
    again = ["STEP_UP_FOR_RETRY", "STEP_RESTARTED"]
    assert told == ["STEP_START", *again * RETRIES, "STEP_FAILURE"]
    assert f"warehouse.duckdb is held by process {reader.pid}; wait for it to end" in reason


def test_any_other_failure_is_not_tried_again() -> None:
    def act(home: Home, _: int) -> None:
        with warehouse.connect(home) as connection:
            connection.execute("from no_such_table")

    told, reason = _run(act)
    assert told == ["STEP_START", "STEP_FAILURE"]
    assert "Table with name no_such_table does not exist" in reason


def test_a_failure_says_nothing_of_the_row_that_it_met() -> None:
    def act(home: Home, _: int) -> None:
        with warehouse.connect(home) as connection:
            connection.execute("select cast('ana@correo.cl, 12345678-5' as integer)")

    told, reason = _run(act)
    assert told == ["STEP_START", "STEP_FAILURE"]
    assert "'[mail], [rut]'" in reason
    assert "ana@correo.cl" not in reason


def test_what_must_not_be_told_is_taken_out_of_the_error_of_a_step(capsys):
    """R30: no trace of the first error is left beside it, where Dagster would show it.

    The log of the run has its traceback, without its text.
    """
    with pytest.raises(dg.Failure) as raised, guarded():
        raise ValueError("12.345.678-5 and ana@correo.cl have no row")
    assert raised.value.description == "ValueError: [rut] and [mail] have no row"
    assert (raised.value.__cause__, raised.value.__suppress_context__) == (None, True)
    log = capsys.readouterr().err
    assert f"{__name__.rpartition('.')[2]}.py" in log
    assert log.endswith("\nValueError\n")


def test_an_error_that_can_be_told_is_told_as_it_is():
    error = ValueError("no row")
    with pytest.raises(ValueError, match="no row") as raised, guarded():
        raise error
    assert raised.value is error
