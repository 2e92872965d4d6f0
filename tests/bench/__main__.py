"""`make bench`: the cases of docs/benchmarks.md, each in processes of its own.

From the environment: SIZE (debts in the file), REPEATS, YEAR_DAYS and YEAR_SIZE, CASES (names
with commas between them; when empty, all but spark), PEERS_PYTHON (the peers' interpreter),
SPARK_SIZES (debts in the bases of that case, the smallest first) and SPARK_PYTHON (the interpreter
that has PySpark), SALDO_HOME, KEEP (anything: what was made stays), CONSOLE_HOME (a home whose
console is measured instead of a new one of SIZE debts). Everything is made in `bench` below
SALDO_HOME and removed at the end.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

from rich.console import Console

from orchestration.devtools.loopback_sftp import serve
from orchestration.installation.home import PROJECT
from tests.bench import peer_dbt
from tests.bench.data import business_date
from tests.bench.days import ORGANIZATION, Bench, install, read_json, run_day
from tests.bench.installation import Installation
from tests.bench.measure import CaseFailedError, Measured, python, run
from tests.bench.report import Row, as_markdown, write
from tests.bench.spark import spark

DEBTS_OF_ONE_OF_MANY = 10_000
DAYS_OF_CLOSING = 13
_COSTS = ("seconds", "cpu_seconds")
DOCUMENT = PROJECT / "docs" / "benchmarks.md"
# The tables of cases that have one of their own.
TITLES = {"console": "The console beside {:,} debts", "spark": "Spark beside DuckDB"}
# Needs Java, and takes hours: it is run where it is named.
_ONLY_BY_NAME = ("spark",)


def main() -> None:
    """Run the cases, print each row and write it down: those of a case that takes hours, too."""
    console = Console()
    root = (PROJECT / os.environ.get("SALDO_HOME", "data")).resolve() / "bench"
    shutil.rmtree(root, ignore_errors=True)
    named = [each for each in os.environ.get("CASES", "").split(",") if each]
    wanted = named or [each for each in CASES if each not in _ONLY_BY_NAME]
    rows: dict[str, list[Row]] = defaultdict(list)
    try:
        with serve(root / "server", root / "server_state") as server:
            bench = Bench(
                root=root,
                server=server,
                size=int(os.environ.get("SIZE") or 1_000_000),
                repeats=int(os.environ.get("REPEATS") or 3),
                year_days=int(os.environ.get("YEAR_DAYS") or 365),
                year_size=int(os.environ.get("YEAR_SIZE") or 100_000),
                peers_python=Path(os.environ.get("PEERS_PYTHON") or sys.executable),
            )
            for name in wanted:
                title = TITLES.get(name, "{:,} debts").format(bench.size)
                for row in run_case(bench, name):
                    rows[title].append(row)
                    for each in (row, *row.step_rows()):
                        said = "  ".join(cell for cell in each.cells() if cell)
                        console.print(
                            said.replace("&nbsp;", " "),
                            soft_wrap=True,
                            markup=False,
                            highlight=False,
                        )
                    write(DOCUMENT, title, as_markdown(title, rows[title]))
    finally:
        if not os.environ.get("KEEP"):
            shutil.rmtree(root, ignore_errors=True)
    console.print(f"written to {DOCUMENT.relative_to(PROJECT)}", highlight=False)


def run_case(bench: Bench, name: str) -> Iterator[Row]:
    """The rows of a case; one that fails is a row that says so, and the others go on."""
    try:
        for row in CASES[name](bench):
            yield replace(row, floor_seconds=bench.floor_seconds if row.row_count else None)
    except Exception as error:
        said = str(error) if isinstance(error, CaseFailedError) else repr(error)
        yield Row(name, [], note=" ".join(said.split()).replace("|", "/")[-500:])
    finally:
        for folder in (bench.root / name, bench.root / f"{name}_day_1"):
            if not os.environ.get("KEEP"):
                shutil.rmtree(folder, ignore_errors=True)


def floor(bench: Bench) -> Iterator[Row]:
    """The same bytes through bare tools."""
    former, today = bench.make_file(1), bench.make_file(2)
    folder = bench.root / "floor"
    folder.mkdir()
    settings = {
        "act": "prepare",
        "former_file": str(former),
        "warehouse": str(folder / "prepared.duckdb"),
    }
    configuration = folder / "configuration.json"
    configuration.write_text(json.dumps(settings))
    run(python("-m", "tests.bench.floor", configuration), bench.log("floor_prepare"))
    runs = []
    for number in range(bench.repeats):
        work = folder / str(number)
        work.mkdir()
        shutil.copyfile(folder / "prepared.duckdb", work / "floor.duckdb")
        settings = {
            "act": "run",
            "port": str(bench.server.port),
            "username": bench.server.username,
            "key": str(bench.server.private_key_file),
            "known_hosts": str(bench.server.known_hosts_file),
            "remote": str(today.relative_to(bench.server.root)),
            "local": str(work / "debts.csv"),
            "warehouse": str(work / "floor.duckdb"),
            "published": str(work / "published.duckdb"),
            "steps": str(work / "steps.json"),
        }
        configuration.write_text(json.dumps(settings))
        done = run(python("-m", "tests.bench.floor", configuration), bench.log("floor"))
        runs.append(replace(done, steps=json.loads((work / "steps.json").read_text())))
        shutil.rmtree(work)
    bench.floor_seconds = median(each.seconds for each in runs)
    note = f"a file of {today.stat().st_size / 1e6:,.0f} MB"
    yield Row("floor: sftp, read_csv, outer join, copy", runs, bench.size, note=note)


def ours(bench: Bench) -> Iterator[Row]:
    """Day 2 of a replace file, all of it; then days without a file; then day 2 in 2 GB."""
    at, first = _make_ours(bench)
    yield Row("Saldo, day 1: the first file", [first], bench.size)
    runs = [_repeat_day_2(bench, at) for _ in range(bench.repeats)]
    yield Row("**Saldo, day 2: 4 % changed**", runs, bench.size, note="start-up included")
    small = {"SALDO_MEMORY_LIMIT": "2GB"}
    yield Row("Saldo, day 2, memory_limit 2GB", [_repeat_day_2(bench, at, small)], bench.size)
    for day in (1, 2):
        bench.file(day).unlink()
    # The first is built as after a file: tables of what came with day 2 are emptied.
    run_day(bench, at, 3)
    runs = [run_day(bench, at, 4 + number) for number in range(bench.repeats)]
    yield Row("Saldo, a day without a file", runs)


def transfer(bench: Bench) -> Iterator[Row]:
    """A file over loopback SFTP by Saldo's client, hashed and compared on the way."""
    file = bench.make_file(2)
    at = install(bench, "transfer", [ORGANIZATION])
    bench.make_file(2)
    command = python(
        *("-m", "tests.bench.transfer", at.home.seeds, file.name, bench.root / "received")
    )
    runs = [run(command, bench.log("transfer"), at.environment) for _ in range(bench.repeats)]
    rate = file.stat().st_size / 1e6 / median(each.seconds for each in runs)
    yield Row("download alone, one process", runs, note=f"{rate:,.0f} MB/s with start-up")


def dlt(bench: Bench) -> Iterator[Row]:
    """A dlt merge from the local file on."""
    folder = bench.root / "dlt"

    def merge(day: int) -> Measured:
        module = PROJECT / "tests" / "bench" / "peer_dlt.py"
        command = [bench.peers_python, module, bench.make_file(day), folder]
        return run(command, bench.log("dlt"))

    runs = _repeat_peer(bench, folder, merge)
    note = "from the local file on; no validation, no history"
    yield Row("dlt: merge, Arrow input", runs, bench.size, note=note)


def dbt(bench: Bench) -> Iterator[Row]:
    """The usual dbt way from the local file on."""
    folder = bench.root / "dbt"

    def build(day: int) -> Measured:
        peer_dbt.write_project(folder)
        environment = {
            "PEER_FOLDER": str(folder),
            "PEER_FILE": str(bench.make_file(day)),
            "DBT_PROFILES_DIR": str(folder),
            "DBT_TARGET_PATH": str(folder / "target"),
            "DBT_LOG_PATH": str(folder / "logs"),
        }
        program = bench.peers_python.with_name("dbt")
        command = [program, "build", "--project-dir", folder]
        return run(command, bench.log("dbt"), environment)

    runs = _repeat_peer(bench, folder, build)
    note = "from the local file on; delete+insert and a check-strategy snapshot"
    yield Row("dbt: the usual way", runs, bench.size, note=note)


def many(bench: Bench) -> Iterator[Row]:
    """As many debts, of organizations with 10,000 each."""
    count = max(1, bench.size // DEBTS_OF_ONE_OF_MANY)
    shift = DEBTS_OF_ONE_OF_MANY // 100
    at = install(bench, "many", [f"organization_{number:04d}" for number in range(count)])
    bench.make_day(at, DEBTS_OF_ONE_OF_MANY, 1, shift)
    run_day(bench, at, 1)
    bench.make_day(at, DEBTS_OF_ONE_OF_MANY, 2, shift)
    shutil.copytree(at.home.root, _saved(at), symlinks=True)
    runs = [_repeat_day_2(bench, at) for _ in range(bench.repeats)]
    name = f"**Saldo, day 2: {count:,} organizations of {DEBTS_OF_ONE_OF_MANY:,}**"
    yield Row(name, runs, count * DEBTS_OF_ONE_OF_MANY)


def year(bench: Bench) -> Iterator[Row]:
    """Day after day with a debts file whose debts are all others after a month."""
    at = install(bench, "year", [ORGANIZATION])
    days: list[Measured] = []
    told = {6, *range(91, bench.year_days - 30, 91), bench.year_days}
    for day in range(1, bench.year_days + 1):
        bench.make_day(at, bench.year_size, day, bench.year_size // 30)
        days.append(run_day(bench, at, day))
        bench.file(day).unlink()
        if day in told:
            early, late = days[3:6], days[-3:]
            time, cpu = (_median(late, what) / _median(early, what) for what in _COSTS)
            name = f"{bench.year_size:,} debts a day, days {day - 2} to {day}"
            note = f"{time:.2f} x the time of days 4 to 6, {cpu:.2f} x the CPU"
            yield Row(name, late, note=note)


def closed(bench: Bench) -> Iterator[Row]:
    """Days whose debts are all others: in two weeks a year's closed debts."""
    at = install(bench, "closed", [ORGANIZATION])
    days = []
    for day in range(1, DAYS_OF_CLOSING + 1):
        bench.make_day(at, bench.year_size, day, bench.year_size)
        days.append(run_day(bench, at, day))
        bench.file(day).unlink()
    for place in (2, DAYS_OF_CLOSING - 1):
        name = f"{bench.year_size:,} debts beside {place * bench.year_size:,} closed ones"
        note = f"{days[place].cpu_seconds / days[2].cpu_seconds:.2f} x the CPU of the first"
        yield Row(name, [days[place]], note=note if place > 2 else "")


def command(bench: Bench) -> Iterator[Row]:
    """Verbs that run nothing, beside the start of Python that each of them is."""
    at = install(bench, "command", [ORGANIZATION])
    runs = [run(python("-c", "pass"), bench.log("python")) for _ in range(bench.repeats)]
    bare = median(each.seconds for each in runs)
    yield Row("python -c pass", runs)
    for typed, status in (("--help", 0), ("held", 0), ("approve ABSENT", 2)):
        line = python("-m", "orchestration", *typed.split())
        log = bench.log("command")
        runs = [run(line, log, at.environment, (status,)) for _ in range(bench.repeats)]
        note = f"{median(each.seconds for each in runs) / bare:.0f} x python -c pass"
        yield Row(f"the command: {typed}", runs, note=note)


def console(bench: Bench) -> Iterator[Row]:
    """Each page of the console beside a home of so many debts."""
    root = Path(os.environ.get("CONSOLE_HOME") or bench.root / "console")
    if not root.exists():
        at = install(bench, "console", [ORGANIZATION])
        bench.make_file(1)
        shutil.copyfile(bench.root / "events_1", at.home.events / f"{business_date(1)}.jsonl")
        run_day(bench, at, 1)
    times = read_json(python("-m", "tests.bench.console", root, str(bench.repeats)))
    least = median(next(iter(times.values())))
    for name, seconds in times.items():
        milliseconds = median(seconds) * 1000
        note = f"{milliseconds:,.0f} ms, {median(seconds) / least:.1f} x the least"
        yield Row(f"the console: {name}", [Measured(each, 0, 0) for each in seconds], note=note)


CASES: dict[str, Callable[[Bench], Iterator[Row]]] = {
    "command": command,
    "floor": floor,
    "ours": ours,
    "dlt": dlt,
    "dbt": dbt,
    "transfer": transfer,
    "many": many,
    "closed": closed,
    "console": console,
    "year": year,
    "spark": spark,
}


def _make_ours(bench: Bench) -> tuple[Installation, Measured]:
    """An installation that has run day 1 and has day 2 before it, kept to begin from again."""
    at = install(bench, "ours", [ORGANIZATION])
    bench.make_file(1)
    shutil.copyfile(bench.root / "events_1", at.home.events / f"{business_date(1)}.jsonl")
    first = run_day(bench, at, 1)
    bench.make_file(2)
    shutil.copyfile(bench.root / "events_2", at.home.events / f"{business_date(2)}.jsonl")
    shutil.copytree(at.home.root, _saved(at), symlinks=True)
    return at, first


def _repeat_day_2(
    bench: Bench, at: Installation, environment: dict[str, str] | None = None
) -> Measured:
    shutil.rmtree(at.home.root)
    shutil.copytree(_saved(at), at.home.root, symlinks=True)
    for organization_id in at.organization_ids:
        for path in (at.server.root / organization_id / "outbox").glob(f"{business_date(2)}*"):
            path.unlink()
    return run_day(bench, at, 2, environment)


def _repeat_peer(bench: Bench, folder: Path, act: Callable[[int], Measured]) -> list[Measured]:
    """Day 2 of a peer, each time from what its day 1 left."""
    saved = folder.with_name(f"{folder.name}_day_1")
    folder.mkdir()
    act(1)
    folder.rename(saved)
    runs = []
    for _ in range(bench.repeats):
        shutil.copytree(saved, folder)
        runs.append(act(2))
        shutil.rmtree(folder)
    return runs


def _median(runs: list[Measured], cost: str) -> float:
    return median(getattr(each, cost) for each in runs)


def _saved(at: Installation) -> Path:
    return at.home.root.with_name(f"{at.home.root.name}_day_1")


if __name__ == "__main__":
    main()
