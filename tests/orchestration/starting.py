"""What is made once for all tests of a session, and copied: CONTRIBUTING.md, "Starting points".

The workers of a session share a folder. The first that needs a starting point makes it there, the
others wait for it. Nobody works in what is there, only in copies.
"""

from __future__ import annotations

import fcntl
import json
import os
import pickle
import pprint
import shutil
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from orchestration.installation.dbt_project import note_parsed, project_folder
from orchestration.installation.home import PROJECT, Home
from orchestration.intake import trying

# The variable that names the folder; tests/conftest.py makes it.
SHARED = "SALDO_TESTS_SHARED"
_PARSED = Path("target", "partial_parse.msgpack")
_MANIFEST = Path("target", "manifest.json")
# Parses the project, and writes down what of a home dbt compares with its former parse.
_PARSE = """
import gc, json, sys
from pathlib import Path
gc.disable()
from dbt.adapters.duckdb.credentials import DuckDBCredentials
from dbt.cli.main import dbtRunner

connection_info = DuckDBCredentials.connection_info
def noting(credentials, **options):
    pairs = sorted(connection_info(credentials, **options))
    Path(sys.argv[1]).write_text(json.dumps(pairs))
    return iter(pairs)
DuckDBCredentials.connection_info = noting
sys.exit(not dbtRunner().invoke(["parse", "--quiet"]).success)
"""


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """The folder of a starting point, made unless somebody has made it in this session."""
    shared = Path(os.environ[SHARED])
    folder, made = shared / name, shared / f"{name}.made"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            made.touch()
    return folder


def lend_parse(home: Home) -> None:
    """Give a home the project as dbt has parsed it, so that its first build need not parse it.

    Its contracts are written before; dbt reads those that are other than the project's anew.
    """
    parsed = made_once("parsed", _parse)
    _move_parse(parsed, parsed, home, _PARSED)
    shutil.copyfile(parsed / _MANIFEST, home.root / _MANIFEST)
    note_parsed(home)


# How the pages have the models compiled, where no test lends them.
compile_models = trying._compile


def lend_models(_: Home) -> trying.Models:
    """The models that judge a file which is tried, compiled once."""
    compiled = made_once("compiled", _compile_models)
    models: trying.Models = pickle.loads((compiled / "models").read_bytes())
    return models


def copy_home(former: Home, root: Path) -> Home:
    """The same home once more, with its contracts where these are in it."""
    shutil.copytree(former.root, root, symlinks=True, dirs_exist_ok=True)
    is_with_contracts = former.seeds.is_relative_to(former.root)
    home = Home(
        root, root / former.seeds.relative_to(former.root) if is_with_contracts else former.seeds
    )
    keep_parse(former, home)
    return home


def keep_parse(former: Home, home: Home) -> None:
    """Have a home that is a copy go on with what dbt has parsed in the former one.

    Its contracts are written before, as with `lend_parse`.
    """
    project_folder(home)
    parsed = made_once("parsed", _parse)
    for path in former.root.glob("target/**/partial_parse.msgpack"):
        _move_parse(parsed, former.root, home, path.relative_to(former.root))
    note_parsed(home)


def copy_warehouse(former: Home, home: Home) -> None:
    """The warehouse of a home once more in another one: both of its files, and those of rows."""
    shutil.copyfile(former.warehouse, home.warehouse)
    shutil.copyfile(former.marts, home.marts)
    if former.rows.exists():
        shutil.copytree(former.rows, home.rows, dirs_exist_ok=True)


def _parse(root: Path) -> None:
    home = Home(root, PROJECT / "seeds")
    home.create()
    subprocess.run(
        [sys.executable, "-c", _PARSE, str(root / "connection.json")],
        cwd=PROJECT,
        env={**os.environ, **home.environment()},
        check=True,
    )


def _compile_models(root: Path) -> None:
    home = Home(root, PROJECT / "seeds")
    home.create()
    (root / "models").write_bytes(pickle.dumps(compile_models(home)))


def _move_parse(parsed: Path, former_root: Path, home: Home, path: Path) -> None:
    """Copy what dbt has parsed in another home, with the checksum that it will look for here."""
    content = (former_root / path).read_bytes()
    former, checksum = (_checksum(parsed, root) for root in (former_root, home.root))
    assert content.count(former) == 1, "dbt compares another thing with its former parse"
    target = home.root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.replace(former, checksum))


def _checksum(parsed: Path, root: Path) -> bytes:
    """What dbt makes of the connection to the warehouse of a home, whose path is in it."""
    noted = (parsed / "connection.json").read_text()
    places = [json.dumps(str(each))[1:-1] for each in (parsed, root)]
    pairs = [tuple(pair) for pair in json.loads(noted.replace(*places))]
    return sha256(pprint.pformat(pairs).encode()).hexdigest().encode()
