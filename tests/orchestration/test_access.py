"""Who can read what is kept: its own user, and where that is chosen a group the published copy."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import openpyxl
import pytest

from orchestration.devtools.demo.samples import DAYS
from orchestration.installation.access import ForeignHomeError
from orchestration.installation.home import PROJECT, Home, NoHomeError
from tests.orchestration.installations import Installed, install

NOBODY = 65534
KEPT = {
    "analytics.duckdb",
    "dagster",
    "decisions",
    "events",
    "landing",
    "logs",
    "marts.duckdb",
    "outbox",
    "parse.lock",
    "project",
    "reports",
    "run.lock",
    "target",
    "tmp",
    "uploads",
    "warehouse.duckdb",
}


def modes(root: Path) -> dict[str, str]:
    """The mode of a folder and of all that is in it, links aside."""
    paths = [root, *root.rglob("*")]
    return {
        str(path.relative_to(root)): oct(stat.S_IMODE(path.stat().st_mode))
        for path in paths
        if not path.is_symlink()
    }


def closed(root: Path) -> dict[str, str]:
    """What the modes are to be."""
    return {name: oct(0o700 if (root / name).is_dir() else 0o600) for name in modes(root)}


def open_all(root: Path) -> None:
    """Make a home as one with the usual umask was."""
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)


def run_with_umask(installed: Installed, umask: int, *module: str) -> None:
    """Run a module with arguments, to its good end."""
    done = subprocess.run(
        [sys.executable, "-m", *module],
        cwd=PROJECT,
        env={**os.environ, **installed.environment},
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "open to other users" not in done.stderr


@pytest.fixture
def workbook(tmp_path: Path) -> str:
    book = openpyxl.Workbook()
    book.active.append(["RUT", "Nombre", "Correo"])
    book.active.append(["12.345.678-5", "Ana", "ana@correo.cl"])
    book.save(tmp_path / "customers.xlsx")
    return str(tmp_path / "customers.xlsx")


@pytest.mark.parametrize("umask", [0o000, 0o022], ids=oct)
def test_whatever_is_kept_is_for_its_own_user_whatever_the_umask(
    tmp_path: Path, workbook: str, umask: int
) -> None:
    with install(tmp_path, Installed) as made:
        home = Home(tmp_path / "kept", made.home.seeds)
        installed = Installed(home, made.server_root, {**made.environment, **home.environment()})
        run_with_umask(installed, umask, "orchestration.home")
        run_with_umask(installed, umask, "dagster", "instance", "migrate")
        installed.upload(DAYS[0])
        run_with_umask(installed, umask, "orchestration", "run", "--date", str(DAYS[0]))
        run_with_umask(installed, umask, "orchestration", "upload-customers", "lumina", workbook)
    assert {path.name for path in home.root.iterdir()} == KEPT
    assert modes(home.root) == closed(home.root)


def test_a_home_that_others_could_read_is_closed_and_that_is_said_once(home: Home) -> None:
    (home.landing / "of_an_organization.csv").write_text("")
    (home.root / "project").symlink_to(PROJECT)
    before = (PROJECT / "seeds").stat().st_mode
    open_all(home.root)
    count = len(modes(home.root))
    said = [_held(home).stderr for _ in range(2)]
    assert said == [
        f"saldo: {count} files and folders of {home.root} were open to other users of this machine"
        " and are closed now\n",
        "",
    ]
    assert modes(home.root) == closed(home.root)
    assert (PROJECT / "seeds").stat().st_mode == before


@pytest.mark.parametrize("name", [".", "landing", "dagster/dagster.yaml"])
def test_only_what_can_be_reached_by_others_makes_a_home_an_open_one(home: Home, name: str) -> None:
    path = home.root / name
    path.chmod(path.stat().st_mode | 0o044)
    is_told = _held(home).stderr != ""
    # What is below a closed folder cannot be reached.
    assert is_told == (name.count("/") == 0)


@pytest.mark.parametrize("files", [(), (".gitkeep",)], ids=["empty", "as git has it"])
def test_a_new_folder_is_closed_without_a_word(tmp_path: Path, files: tuple[str, ...]) -> None:
    home = Home(tmp_path / "home", PROJECT / "seeds")
    home.root.mkdir()
    for name in files:
        (home.root / name).touch(0o644)
    home.root.chmod(0o755)
    assert _held(home).stderr == ""
    assert modes(home.root) == closed(home.root)


def test_a_folder_of_something_else_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    """Its files would be closed to all others who use them."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "a picture").touch(0o644)
    before = modes(folder)
    told = _held(Home(folder, PROJECT / "seeds"), status=2)
    assert modes(folder) == before
    assert told.stderr == (
        f"saldo: {folder} has files, and none of Saldo: name a new or empty folder, or a home,"
        " with SALDO_HOME\n"
    )
    with pytest.raises(NoHomeError, match="has the program in it"):
        Home(PROJECT, PROJECT / "seeds").create()


@pytest.mark.parametrize("name", [".gitkeep", ".bashrc", "logs", "dagster", "events", "lost+found"])
def test_what_may_be_there_before_the_first_command_makes_no_folder_of_something_else(
    tmp_path: Path, name: str
) -> None:
    home = Home(tmp_path / "home", PROJECT / "seeds")
    (home.root / name).mkdir(parents=True)
    home.create()
    assert home.landing.exists()


@pytest.mark.parametrize("name", ["a file", "a file/home"])
def test_what_can_be_no_folder_is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "a file").touch()
    told = _held(Home(tmp_path / name, PROJECT / "seeds"), status=2)
    assert told.stderr == (
        f"saldo: {tmp_path / name} is no folder and cannot be one: name another with SALDO_HOME\n"
    )


def test_the_home_of_another_user_is_told_as_that(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    home = Home(tmp_path / "home", PROJECT / "seeds")
    with _as_another_user(), pytest.raises(ForeignHomeError) as raised:
        home.create()
    assert str(raised.value) == (
        f"{home.root} belongs to another user: run Saldo as the user of {home.root},"
        " or name another folder with SALDO_HOME"
    )


@contextmanager
def _as_another_user() -> Iterator[None]:
    """Root becomes nobody; whoever else may not write into a folder that nobody may write into."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def _held(home: Home, status: int = 0) -> subprocess.CompletedProcess[str]:
    held = subprocess.run(
        [sys.executable, "-m", "orchestration", "held"],
        cwd=PROJECT,
        env={**os.environ, **home.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert held.returncode == status, held.stderr
    return held
