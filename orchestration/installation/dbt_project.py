"""The dbt project: its folder, its manifest and whether that is current, and dbt's command line."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from hashlib import sha256
from importlib import metadata
from pathlib import Path

from orchestration.installation import whole_files
from orchestration.installation.home import PROJECT, Home
from orchestration.installation.redaction import redact

# dbt's command line, started in the same Python wherever that finds modules.
DBT = (sys.executable, "-P", str(Path(__file__).with_name("dbt_command.py")))

# The targets of profiles.yml that are of Spark: on this machine, and on a cluster.
CONNECT = "spark_connect"
ON_SPARK = ("spark", CONNECT)

_PACKAGES = ("dbt-core", "dbt-adapters", "dbt-common", "dbt-duckdb", "duckdb")
_SOURCES = (
    "dbt_project.yml",
    "profiles.yml",
    "selectors.yml",
    "models",
    "macros",
    "snapshots",
    "tests",
)


def run_dbt(home: Home, *arguments: str, is_silent: bool = False) -> None:
    """Run dbt in an installation, on DuckDB, and wait for it.

    Args:
        home: the installation.
        arguments: of dbt's command line.
        is_silent: show its output only if it failed, redacted (R30).

    Raises:
        subprocess.CalledProcessError: dbt failed; its output is on the terminal.

    """
    try:
        subprocess.run(  # noqa: S603 (our own arguments)
            [*DBT, *arguments],
            cwd=project_folder(home),
            env={**os.environ, **home.environment(), **_on_duckdb(os.environ)},
            stdout=subprocess.PIPE if is_silent else None,
            text=True,
            check=True,
        )
    except subprocess.CalledProcessError as error:
        sys.stderr.write(redact(error.stdout or "", os.environ))
        raise


def _on_duckdb(environment: Mapping[str, str]) -> dict[str, str]:
    """Return another target of profiles.yml where the environment names one of Spark."""
    return {"SALDO_TARGET": "dev"} if environment.get("SALDO_TARGET") in ON_SPARK else {}


def project_folder(home: Home) -> Path:
    """Return the project's folder; with seeds in another folder, a folder of links to both.

    A seed path outside of the project does not work: dbt joins it to its target folder and
    overwrites the seed itself with the SQL that it ran.
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


def is_parsed(home: Home) -> bool:
    """Return whether dbt's manifest is of the project as it is now.

    Times do not tell: an upgrade that is unpacked with the times of its files may be older than the
    manifest.
    """
    noted = _parsed_path(home)
    return (
        noted.exists()
        and noted.with_name("manifest.json").exists()
        and noted.read_text() == _hash_sources(home)
    )


def parse(home: Home) -> None:
    """Have dbt write a manifest of the project, and note what it is of.

    Raises:
        subprocess.CalledProcessError: dbt failed; its output is on the terminal.

    """
    sources = _hash_sources(home)
    run_dbt(home, "parse", "--quiet")
    note_parsed(home, sources)


def note_parsed(home: Home, sources: str | None = None) -> None:
    """Note that dbt's manifest is of these files of the project, or of those that there are now."""
    content = _hash_sources(home) if sources is None else sources
    whole_files.write_whole(_parsed_path(home), content.encode())


def _parsed_path(home: Home) -> Path:
    return home.root / "target" / "manifest.sources"


def fingerprint(home: Home) -> str:
    """Return a hash of all that the SQL of a build depends on besides the warehouse: the files of
    the project, its seeds too, the versions of dbt and DuckDB, and the variables that say how dbt
    works.
    """
    content = sha256(_hash_sources(home).encode())
    for name, value in sorted(os.environ.items()):
        if name.startswith("DBT_") or name == "SALDO_TARGET":
            content.update(f"{name}={value}\n".encode())
    return content.hexdigest()


def _hash_sources(home: Home) -> str:
    """Return a hash of the text of each file of the project, and of the versions of dbt."""
    folder = project_folder(home)
    content = sha256()
    for package in _PACKAGES:
        content.update(f"{package} {metadata.version(package)}\n".encode())
    texts = {_name_in_project(path): path.read_bytes() for path in _source_files(folder)}
    for name, text in sorted(texts.items()):
        content.update(f"{name} {len(text)}\n".encode() + text)
    return content.hexdigest()


def _name_in_project(path: Path) -> str:
    """Name a file of the project, or of a folder of seeds wherever that is."""
    return str(path.relative_to(PROJECT)) if path.is_relative_to(PROJECT) else path.name


def _source_files(folder: Path) -> Iterator[Path]:
    for name in (*_SOURCES, "seeds"):
        source = (folder / name).resolve()
        if source.is_file():
            yield source
        for suffix in ("sql", "yml", "md", "csv"):
            yield from source.rglob(f"*.{suffix}")
