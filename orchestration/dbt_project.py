"""The dbt project: where it is, where its artifacts go, and its manifest kept fresh."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from dagster_dbt import DbtProject

from orchestration.home import PROJECT, Home

# dbt's command line, without Python's garbage collector: dbt ends with its build, and what it makes
# until then is nearly all in use.
DBT = (
    sys.executable,
    "-P",
    "-c",
    "import gc; gc.disable(); from dbt.cli.main import cli; cli(prog_name='dbt')",
)

_SOURCES = ("dbt_project.yml", "profiles.yml", "models", "macros", "snapshots", "tests")


@cache
def project() -> DbtProject:
    """The dbt project of this installation, parsed anew when its files have changed.

    Its artifacts are kept in the home, so that several homes can share one checkout.
    """
    home = Home.from_environment()
    home.create()
    os.environ.update(home.environment())
    # The daemon and the webserver start at the same time.
    with (home.root / "parse.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = _folder(home)
        found = DbtProject(folder, target_path=home.root / "target", profiles_dir=PROJECT)
        if _is_stale(found.manifest_path, folder):
            run_dbt(home, "parse", "--quiet")
    return found


def run_dbt(home: Home, *arguments: str) -> None:
    """Run dbt in an installation and wait for it.

    Raises:
        subprocess.CalledProcessError: dbt failed; what it said is on the terminal.

    """
    subprocess.run(  # noqa: S603 (our own arguments)
        [*DBT, *arguments],
        cwd=_folder(home),
        env={**os.environ, **home.environment()},
        check=True,
    )


def _folder(home: Home) -> Path:
    """The project's folder; with seeds of another folder, one of links to both.

    A seed path that leads out of the project will not do: dbt joins it to its target folder and
    writes what it ran over the seed itself.
    """
    if home.seeds == PROJECT / "seeds":
        return PROJECT
    folder = home.root / "project"
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in {
        **{name: PROJECT / name for name in _SOURCES},
        "seeds": home.seeds,
    }.items():
        link = folder / name
        if not link.is_symlink() or link.readlink() != source:
            link.unlink(missing_ok=True)
            link.symlink_to(source)
    return folder


def _is_stale(manifest: Path, folder: Path) -> bool:
    if not manifest.exists():
        return True
    parsed_at = manifest.stat().st_mtime
    return any(path.stat().st_mtime > parsed_at for path in _source_files(folder))


def _source_files(folder: Path) -> Iterator[Path]:
    for name in (*_SOURCES, "seeds"):
        source = (folder / name).resolve()
        if source.is_file():
            yield source
        for suffix in ("sql", "yml", "md", "csv"):
            yield from source.rglob(f"*.{suffix}")
