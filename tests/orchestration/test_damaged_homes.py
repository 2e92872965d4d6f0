"""What an operator sees of a damaged home and does about it: each row of docs/damage.md is a test.

One installation is made, and copied for each damage.
"""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from orchestration import runs
from orchestration.delivery import ledger, local_copies, outbox, published_copy
from orchestration.devtools.demo.samples import DAYS
from orchestration.installation import warehouse
from orchestration.installation.damage import DamagedError
from orchestration.installation.home import PROJECT
from orchestration.installation.project_yaml import published_tables
from orchestration.landing import manifests, store
from tests.orchestration import test_kept_tables, test_refreshing
from tests.orchestration.damaging import UNREADABLE, flip, log_path
from tests.orchestration.installations import Installed, install
from tests.orchestration.starting import copy_home

DAY = DAYS[0].isoformat()
REPLAY = "`python -m orchestration replay` rebuilds it"
PUBLISHES = "`python -m orchestration run` publishes it again"
# The rows of the page, and the tests that show them.
ROWS = {
    "a file, events or contracts in `landing/`": "test_changed_bytes_are_never_replayed",
    "a file of rows in `landing/_rows`": "test_files_of_rows_are_made_anew",
    "a manifest in `landing/_loads`": "test_no_number_is_given_again",
    "a batch of the ledger in `landing/_deliveries`": "test_a_lost_batch_of_the_ledger",
    "`warehouse.duckdb`: cut, empty, overwritten, of another version": (
        "test_a_damaged_warehouse_is_told_by_every_verb"
    ),
    "`warehouse.duckdb.wal`: lost": "test_a_warehouse_without_its_log",
    "`warehouse.duckdb`: made by another version of Saldo": (
        "test_the_list_of_kept_tables_is_that_of_the_models_and_a_replay_mends_a_former_version"
    ),
    "`warehouse.duckdb`: lost": "test_a_lost_warehouse",
    "`marts.duckdb`: cut, empty, overwritten, of another version": (
        "test_damaged_marts_are_told_by_every_verb"
    ),
    "`marts.duckdb.wal`: lost": "test_marts_without_their_log",
    "`marts.duckdb`: lost, or of another day than the warehouse": (
        "test_marts_of_another_load_than_the_warehouse_are_told"
    ),
    "`analytics.duckdb`: cut, empty, overwritten, of another version": (
        "test_a_damaged_copy_is_told_and_replaced"
    ),
    "`analytics.duckdb`: lost": "test_a_lost_copy",
    "rows of the warehouse that no load looks at any more": (
        "test_what_was_altered_where_no_load_looks_any_more_is_found"
    ),
    "a payments file in `outbox/`": "test_a_payments_file_that_is_not_what_was_sent",
    "everything but `landing/`": "test_a_landing_area_alone_is_enough",
    "the disk is full": "test_a_full_disk_is_one_sentence_at_every_stage",
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    with install(tmp_path_factory.mktemp("whole"), Installed, days=1) as installed:
        yield installed


def _copy(whole: Installed, root: Path) -> Installed:
    home = copy_home(whole.home, root)
    return dataclasses.replace(
        whole, home=home, environment={**whole.environment, **home.environment()}
    )


@pytest.fixture
def damaged(whole: Installed, tmp_path: Path) -> Installed:
    """A copy, to be damaged."""
    return _copy(whole, tmp_path / "home")


def _fails(ran: subprocess.CompletedProcess[str], *said: str) -> None:
    """It ended with 1 and told sentences, each in a line, and nothing else of what went wrong."""
    assert ran.returncode == 1, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stdout + ran.stderr
    lines = ran.stderr.splitlines()
    assert len(lines) == len(said), ran.stderr
    for line, each in zip(lines, said, strict=True):
        assert each in line


def _is_sound(installed: Installed) -> None:
    verified = installed.command("verify", "--quick")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert re.fullmatch(r"\d loads landed: nothing is damaged\n", verified.stdout)


def _tables(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[object, ...]]]:
    """Every row of what analysts read, but the time of the copy."""
    return {
        name: connection.execute(f"from main.{name} order by all").fetchall()
        for name in published_tables()
    }


def _is_as(installed: Installed, whole: Installed) -> None:
    with published_copy.reading(whole.home) as connection:
        expected = _tables(connection)
    for read in (published_copy.reading, warehouse.reading):
        with read(installed.home) as connection:
            assert _tables(connection) == expected
    _is_sound(installed)


def test_each_row_of_the_page_is_a_test() -> None:
    page = (PROJECT / "docs" / "damage.md").read_text(encoding="utf-8")
    rows = [line.split(" | ")[0].removeprefix("| ") for line in page.splitlines() if "|" in line]
    assert rows[2:] == list(ROWS)
    tests = {*globals(), *vars(test_kept_tables), *vars(test_refreshing)}
    assert [name for name in ROWS.values() if name not in tests] == []


def test_changed_bytes_are_never_replayed(damaged: Installed) -> None:
    manifest = manifests.read_manifest(damaged.home, 1)
    assert manifest is not None
    paths = [
        store.contracts_path(damaged.home, manifest.contracts),
        store.stored_path(damaged.home, manifest.files[0]),
        store.events_path(damaged.home, manifest.events[0].sha256),
    ]
    organizations = paths[0] / "organizations.csv"
    kept = organizations.read_bytes()
    for path in (organizations, *paths[1:]):
        path.write_bytes(path.read_bytes().replace(b"0", b"1", 1))
    said = [f"{path} is not as it was written" for path in paths]
    verified = damaged.command("verify")
    assert verified.returncode == 1
    assert [line.partition(":")[0] for line in verified.stdout.splitlines()] == said
    before = damaged.home.warehouse.read_bytes()
    _fails(damaged.command("replay"), *said)
    assert damaged.home.warehouse.read_bytes() == before

    # The first days of a copied home were made with a server on another port.
    seed = damaged.home.seeds / "organizations.csv"
    own = seed.read_bytes()
    seed.write_bytes(kept)
    assert f"{paths[0]} is as it was written again" in damaged.command("restore").stdout
    seed.write_bytes(own)
    restored = damaged.command("restore")
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert restored.stdout.splitlines()[-1] == "what landed is whole"
    _is_sound(damaged)


def test_files_of_rows_are_made_anew(damaged: Installed) -> None:
    former = {path: path.read_bytes() for path in damaged.home.rows.rglob("*.parquet")}
    assert {path.parts[-3] for path in former} == {"invoices"}
    path = min(former)
    path.write_bytes(flip(former[path], len(former[path]) // 2))
    said = f"{path} is not as it was written"
    verified = damaged.command("verify")
    assert verified.returncode == 1
    assert (
        verified.stdout
        == f"{said}: `python -m orchestration restore` rebuilds it from what landed\n"
    )
    restored = damaged.command("restore")
    assert restored.returncode == 0
    assert restored.stdout == f"what landed is whole\n{said}: rebuilt from what landed\n"
    assert {path: path.read_bytes() for path in former} == former
    _is_sound(damaged)


def test_no_number_is_given_again(damaged: Installed) -> None:
    path = manifests.manifest_path(damaged.home, 1)
    content = path.read_bytes()
    path.unlink()
    before = sorted(damaged.home.landing.rglob("*"))
    _fails(damaged.command("run", "--date", DAY), f"{path} is missing")
    _fails(damaged.command("replay"), f"{path} is missing")
    assert damaged.command("restore").returncode == 1
    assert sorted(damaged.home.landing.rglob("*")) == before
    path.write_bytes(content)
    _is_sound(damaged)


def test_a_lost_batch_of_the_ledger(damaged: Installed) -> None:
    path = ledger.batch_path(damaged.home, 1)
    attempts = ledger.read_batch(damaged.home, 1)
    path.unlink()
    _fails(damaged.command("run", "--date", DAY), f"{path} is missing")
    assert damaged.command("restore").returncode == 0
    assert sorted(ledger.read_batch(damaged.home, 1), key=repr) == sorted(attempts, key=repr)
    _is_sound(damaged)


def test_a_damaged_warehouse_is_told_by_every_verb(
    damaged: Installed, whole: Installed, tmp_path: Path
) -> None:
    """And one command replaces it, whatever it is, its marts and the published copy, too."""
    _is_told_by_every_verb(damaged, tmp_path, damaged.home.warehouse)
    damaged.home.marts.write_bytes(UNREADABLE["of zeros"](damaged.home.marts.read_bytes()))
    damaged.home.analytics.write_bytes(UNREADABLE["no database"](b""))
    replayed = damaged.command("replay")
    assert replayed.returncode == 0, replayed.stdout + replayed.stderr
    assert replayed.stdout.splitlines()[-1] == "1 loads replayed"
    _is_as(damaged, whole)


def test_damaged_marts_are_told_by_every_verb(damaged: Installed, tmp_path: Path) -> None:
    _is_told_by_every_verb(damaged, tmp_path, damaged.home.marts)
    _is_set_aside(damaged)


def _is_set_aside(damaged: Installed) -> None:
    """A replay begins with neither file: what it makes then is the same after each damage."""
    there = {path: path.read_bytes() for path in damaged.home.set_aside if path.exists()}
    runs.set_aside(damaged.home, lambda _: None)
    for path, aside in damaged.home.set_aside.items():
        assert not path.exists()
        assert not log_path(path).exists()
        assert (aside.read_bytes() if aside.exists() else None) == there.get(path)
    assert not damaged.home.rows.exists()


def _is_told_by_every_verb(damaged: Installed, tmp_path: Path, path: Path) -> None:
    content = path.read_bytes()
    said = f"{path} is damaged, or of another version of DuckDB: {REPLAY} from the landing area"
    workbook = tmp_path / "clientes.xlsx"
    workbook.write_bytes(b"a workbook")
    verbs = [
        ("run", "--date", DAY),
        ("republish", "lumina", DAY),
        ("erase", "lumina", "19153032-2"),
        ("upload-customers", "lumina", str(workbook)),
        ("load-uploads",),
    ]
    for verb, damage in zip(verbs, UNREADABLE.values(), strict=False):
        path.write_bytes(damage(content))
        _fails(damaged.command(*verb), said)
    shutil.rmtree(damaged.home.uploads)


def test_a_warehouse_that_is_damaged_where_dbt_reads_it_is_told_in_the_same_sentence(
    damaged: Installed,
) -> None:
    """The load has been taken, and dbt is the first to read the rows that cannot be read."""
    with duckdb.connect(str(damaged.home.warehouse)) as connection:
        connection.execute("update raw.loads set finished_at = null")
    path = damaged.home.marts
    with duckdb.connect(str(path)) as connection:
        connection.execute("checkpoint")
        connection.execute("force checkpoint")
        (block,) = {
            row[0]
            for row in connection.execute(
                "select distinct block_id from pragma_storage_info('main.debts')"
                " where persistent and column_name = 'debt_id' and segment_type = 'VARCHAR'"
            ).fetchall()
        }
    path.write_bytes(flip(path.read_bytes(), 3 * 4096 + block * 262144 + 100))
    _fails(damaged.command("run", "--date", DAY), f"{path} is damaged")


def test_a_warehouse_without_its_log(damaged: Installed, whole: Installed) -> None:
    """R29: a run was killed while DuckDB had something in the log alone, and the log is lost."""
    script = """
import duckdb, os, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("update raw.loads set finished_at = null")
os._exit(0)
"""
    damaged.python("-c", script, str(damaged.home.warehouse))
    log_path(damaged.home.warehouse).unlink()
    _is_as(damaged, whole)


def test_marts_without_their_log(damaged: Installed, whole: Installed) -> None:
    """R29: likewise."""
    script = """
import duckdb, os, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("delete from main.debts")
os._exit(0)
"""
    damaged.python("-c", script, str(damaged.home.marts))
    log_path(damaged.home.marts).unlink()
    _is_as(damaged, whole)


def test_marts_of_another_load_than_the_warehouse_are_told(
    damaged: Installed, whole: Installed
) -> None:
    """Lost, or put back from a backup alone: the models would add to what they are not of."""
    marts = damaged.home.marts
    missing = f"{marts} is missing: {REPLAY}"
    other = f"{marts} and warehouse.duckdb are not of the same load:"
    verbs = [
        ("run", "--date", DAY),
        ("republish", "lumina", DAY),
        ("erase", "lumina", "19153032-2"),
    ]
    marts.unlink()
    for verb in verbs:
        _fails(damaged.command(*verb), missing)
    verified = damaged.command("verify")
    assert (verified.returncode, verified.stdout) == (1, f"{missing}\n")
    assert not marts.exists()

    shutil.copyfile(whole.home.marts, marts)
    _is_sound(damaged)
    with duckdb.connect(str(marts)) as connection:
        connection.execute("update finished_load set load_id = load_id + 1")
    for verb in verbs:
        _fails(damaged.command(*verb), other)
    verified = damaged.command("verify")
    assert verified.returncode == 1
    assert verified.stdout == f"{other} `python -m orchestration replay` rebuilds both\n"
    with duckdb.connect(str(marts)) as connection:
        connection.execute("update finished_load set load_id = load_id - 1, warehouse_id = uuid()")
    _fails(damaged.command(*verbs[0]), other)
    published = damaged.home.analytics.read_bytes()
    for step in (published_copy.publish, published_copy.renew_after_delivery):
        with (
            pytest.raises(DamagedError, match="not of the same load"),
            warehouse.connect(damaged.home) as connection,
        ):
            step(connection, damaged.home)
    with pytest.raises(DamagedError, match="not of the same load"):
        outbox.deliver_due(damaged.home, [], {})
    assert damaged.home.analytics.read_bytes() == published
    _is_set_aside(damaged)


def test_a_lost_warehouse(damaged: Installed) -> None:
    damaged.home.warehouse.unlink()
    verified = damaged.command("verify")
    assert (verified.returncode, verified.stdout) == (
        1,
        f"{damaged.home.warehouse} is missing: {REPLAY}\n",
    )
    _is_set_aside(damaged)


def test_a_damaged_copy_is_told_and_replaced(damaged: Installed, whole: Installed) -> None:
    path = damaged.home.analytics
    content = path.read_bytes()
    said = f"{path} is damaged, or of another version of DuckDB: {PUBLISHES}"
    verbs = [("held",), ("approve", "0123456789abcdef"), ("refuse", "0123456789abcdef")]
    for verb, damage in zip(verbs * 3, UNREADABLE.values(), strict=False):
        path.write_bytes(damage(content))
        _fails(damaged.command(*verb), said)
    verified = damaged.command("verify")
    assert (verified.returncode, verified.stdout) == (1, f"{said}\n")
    # Nothing is new: a run publishes all the same.
    path.write_bytes(UNREADABLE["of another version"](content))
    assert damaged.command("run", "--date", DAY).returncode == 0
    assert _published(damaged) == _published(whole)
    _is_sound(damaged)


def _published(installed: Installed) -> dict[str, list[tuple[object, ...]]]:
    """All but what a run changes that finds nothing new: that it has looked."""
    with published_copy.reading(installed.home) as connection:
        tables = _tables(connection)
    for name in ("intake_days", "loads", "organization_days"):
        del tables[name]
    return tables


def test_a_lost_copy(damaged: Installed, whole: Installed) -> None:
    damaged.home.analytics.unlink()
    said = (
        f"{damaged.home.analytics} is missing: nothing has been published yet, or it was lost;"
        " `python -m orchestration run` publishes it"
    )
    _fails(damaged.command("held"), said)
    verified = damaged.command("verify")
    assert (verified.returncode, verified.stdout) == (1, f"{said}\n")
    # The files of rows are lost as well, which the run mends.
    rows = {path: path.read_bytes() for path in damaged.home.rows.rglob("*.parquet")}
    shutil.rmtree(damaged.home.rows)
    ran = damaged.command("run", "--date", DAY)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert rows
    for each in rows:
        assert f"{each} is missing: rebuilt from what landed" in ran.stdout
    assert {path: path.read_bytes() for path in rows} == rows
    assert _published(damaged) == _published(whole)
    _is_sound(damaged)


def test_a_payments_file_that_is_not_what_was_sent(damaged: Installed) -> None:
    name = f"{DAY}_toku_payments.csv"
    missing, path = (damaged.home.outbox / each / name for each in ("andes_seguros", "lumina"))
    contents = {each: each.read_bytes() for each in (missing, path)}
    missing.unlink()
    path.write_bytes(contents[path] + b"more\n")
    verified = damaged.command("verify")
    assert verified.returncode == 1
    assert sorted(verified.stdout.splitlines()) == [
        f"{each} {damage}: `python -m orchestration restore` writes it again"
        for each, damage in ((missing, "is missing"), (path, "is not what was sent"))
    ]
    sent = ledger.batch_ids(damaged.home)
    restored = damaged.command("restore")
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert sorted(restored.stdout.splitlines()) == sorted(
        ["what landed is whole", *(f"{each} is as it was sent again" for each in contents)]
    )
    assert {each: each.read_bytes() for each in contents} == contents
    assert ledger.batch_ids(damaged.home) == sent
    _is_sound(damaged)

    path.unlink()
    assert damaged.command("republish", "lumina", DAY).returncode == 0
    assert path.read_bytes() == contents[path]
    _is_sound(damaged)


def test_what_is_in_the_way_of_a_payments_file_is_told(damaged: Installed) -> None:
    name = f"{DAY}_toku_payments.csv"
    paths = [damaged.home.outbox / each / name for each in ("andes_seguros", "lumina")]
    for path in paths:
        path.unlink()
    paths[0].mkdir()
    shutil.rmtree(paths[1].parent)
    paths[1].parent.write_bytes(b"")
    ways = [(paths[0], paths[0])]
    ways += [(paths[1].with_suffix(each), paths[1].parent) for each in (".csv", ".json")]
    said = [
        f"{path} is missing: move {way} away, then `python -m orchestration restore` writes it"
        " again"
        for path, way in ways
    ]
    verified = damaged.command("verify")
    assert (verified.returncode, sorted(verified.stdout.splitlines())) == (1, sorted(said))
    restored = damaged.command("restore")
    assert restored.returncode == 1
    assert sorted(restored.stdout.splitlines()) == sorted([*said, "what landed is whole"])
    paths[0].rmdir()
    paths[1].parent.unlink()
    assert damaged.command("restore").returncode == 0
    _is_sound(damaged)


@pytest.mark.parametrize(
    "change", ["update raw.loads set finished_at = null", "delete from raw.loads"]
)
def test_copies_that_waiting_loads_make_again_need_no_backup(
    damaged: Installed, change: str
) -> None:
    """As after a replay that was ended before it was done."""
    home = damaged.home
    path = home.outbox / "lumina" / f"{DAY}_toku_payments.csv"
    path.unlink()
    with warehouse.connect(home) as connection:
        connection.execute(change)
        found = [each for each in local_copies.find_damaged(connection, home) if each.path == path]
    assert [each.said for each in found] == [
        f"{path} is missing: `python -m orchestration run`, then `python -m orchestration restore`"
        " writes it again"
    ]


@pytest.mark.parametrize(
    "change",
    [
        None,
        "",
        "alter table raw.deliveries rename to former_deliveries",
        "drop table marts.main.intake_files",
        "update marts.main.finished_load set load_id = 9",
    ],
    ids=["lost", "damaged", "older", "not built", "of two loads"],
)
def test_copies_that_no_warehouse_can_be_asked_about_are_told(
    damaged: Installed, change: str | None
) -> None:
    home = damaged.home
    shutil.rmtree(home.outbox)
    if change:
        with warehouse.connect(home) as connection:
            connection.execute(change)
    elif change is None:
        home.warehouse.unlink()
    else:
        home.warehouse.write_bytes(b"")
    told = (
        f"the copies in {home.outbox} were not all looked at, as no warehouse could be asked:"
        " `python -m orchestration replay`, then `python -m orchestration restore`"
    )
    said: list[str] = []
    assert not local_copies.restore(home, said.append)
    assert said == [told]
    if change is None:
        restored = damaged.command("restore")
        assert (restored.returncode, restored.stderr) == (1, "")
        assert restored.stdout.splitlines() == ["what landed is whole", told]
    # A new home has sent nothing, and no copy is missing.
    for each in ledger.batch_ids(home):
        ledger.batch_path(home, each).unlink()
    assert local_copies.restore(home, said.append)
    assert said == [told]


@pytest.mark.parametrize("has_contract", [True, False])
def test_a_landing_area_alone_is_enough(
    damaged: Installed, whole: Installed, *, has_contract: bool
) -> None:
    """The copies of what was sent, too, also to an organization that is no longer one; and nobody
    is sent anything.
    """
    home = damaged.home
    copies = {path: path.read_bytes() for path in home.outbox.rglob("*.*")}
    for path in home.root.iterdir():
        if path.is_dir() and path not in (home.landing, home.seeds):
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()
    if not has_contract:
        seed = home.seeds / "organizations.csv"
        rows = seed.read_text("utf-8").splitlines(keepends=True)
        seed.write_text("".join(row for row in rows if not row.startswith("lumina,")), "utf-8")
    sent = ledger.batch_ids(home)
    assert damaged.command("replay").returncode == 0
    verified = damaged.command("verify", "--quick")
    assert (verified.returncode, sorted(verified.stdout.splitlines())) == (
        1,
        [
            f"{path} is missing: `python -m orchestration restore` writes it again"
            for path in sorted(copies)
        ],
    )
    restored = damaged.command("restore")
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert sorted(restored.stdout.splitlines()) == sorted(
        ["what landed is whole", *(f"{path} is as it was sent again" for path in copies)]
    )
    assert {path: path.read_bytes() for path in home.outbox.rglob("*.*")} == copies
    assert ledger.batch_ids(home) == sent
    if has_contract:
        _is_as(damaged, whole)
    else:
        _is_sound(damaged)


# MB that are free, each of which ends at another stage: before Dagster has begun, while rows land,
# while dbt builds, while the copy is published.
FREE = (0, 1, 2.5, 4)


def test_a_full_disk_is_one_sentence_at_every_stage(
    whole: Installed, tmp_path: Path, mount_small_disk: Callable[..., None]
) -> None:
    """And with room the next run carries on to the same."""
    whole.upload(DAYS[1])
    day = DAYS[1].isoformat()
    used = sum(each.stat().st_size for each in whole.home.root.rglob("*") if each.is_file())
    root = tmp_path / "small"
    root.mkdir()
    mount_small_disk(root, megabytes=2 * used // 1_000_000)
    small = _copy(whole, root)
    for free in FREE:
        usage = shutil.disk_usage(root)
        size = (usage.used + int(free * (1 << 20))) // 1024
        subprocess.run(["mount", "-o", f"remount,size={size}k", str(root)], check=True)
        ran = small.command("run", "--date", day)
        assert ran.returncode == 1, ran.stdout + ran.stderr
        assert "Traceback" not in ran.stdout + ran.stderr
        # The dbt of the run before may still be at work: then the run says so, and waits for it.
        lines = [line for line in ran.stderr.splitlines() if " is held by " not in line]
        assert len(lines) == 1, lines
        assert re.match(f"saldo: the disk of {root}(/dagster)? is full ", lines[0]), lines
        assert small.command("held").stdout == "no file is held\n"
    subprocess.run(["mount", "-o", f"remount,size={4 * used}", str(root)], check=True)
    assert small.command("run", "--date", day).returncode == 1  # a file is held
    columns = "* exclude (updated_at, first_file_id, version_file_id)"
    debts = f"select {columns} from debts order by all"
    with install(tmp_path / "undisturbed", Installed, days=2) as undisturbed:
        assert small.query(debts) == undisturbed.query(debts)
        for installed in (undisturbed, small):
            _is_sound(installed)
