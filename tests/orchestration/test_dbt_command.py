"""dbt as Saldo starts it does what dbt does, and makes nothing twice."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple

import pytest

from orchestration.installation import dbt_command
from orchestration.installation.dbt_command import KeptTemplates
from orchestration.installation.dbt_project import DBT
from orchestration.installation.home import PROJECT, Home
from tests.orchestration.starting import lend_parse

# dbt itself.
_BARE = (sys.executable, "-P", "-c", "from dbt.cli.main import cli; cli(prog_name='dbt')")
KEY = ("MacroFuzzEnvironment", "{{ 1 }}")


def code(text: str = "1") -> CodeType:
    return compile(text, "<template>", "eval")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "templates.marshal"


def test_the_code_of_a_template_is_kept_for_the_next_dbt(path: Path) -> None:
    first = KeptTemplates(path)
    assert first.find(KEY) is None
    first.keep(KEY, code("6 * 7"))
    first.write()

    found = KeptTemplates(path).find(KEY)
    assert found is not None
    assert eval(found) == 42
    assert KeptTemplates(path).find(("NativeSandboxEnvironment", KEY[1])) is None
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_what_a_dbt_did_not_use_goes_once_a_template_is_new(path: Path) -> None:
    first = KeptTemplates(path)
    for name in "abc":
        first.keep((name, ""), code())
    first.write()
    same = KeptTemplates(path)
    same.find(("a", ""))
    former = path.read_bytes()
    same.write()
    assert path.read_bytes() == former

    other = KeptTemplates(path)
    other.find(("a", ""))
    other.keep(("d", ""), code())
    other.write()
    last = KeptTemplates(path)
    assert [name for name in "abcd" if last.find((name, ""))] == ["a", "d"]


@pytest.mark.parametrize("place", [0, 31, 32, -1])
def test_a_damaged_file_of_templates_is_as_one_that_is_missing(path: Path, place: int) -> None:
    kept = KeptTemplates(path)
    kept.keep(KEY, code())
    kept.write()
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    for damaged in (bytes(content), bytes(content[:place]), b""):
        path.write_bytes(damaged)
        assert KeptTemplates(path).find(KEY) is None


def test_code_that_another_version_made_is_not_used(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = KeptTemplates(path)
    kept.keep(KEY, code())
    kept.write()
    version = dbt_command.metadata.version
    for name in ("dbt-core", "dbt-common", "jinja2"):
        monkeypatch.setattr(
            dbt_command.metadata,
            "version",
            lambda asked, name=name: "0" if asked == name else version(asked),
        )
        assert KeptTemplates(path).find(KEY) is None
    monkeypatch.setattr(dbt_command.metadata, "version", version)
    assert KeptTemplates(path).find(KEY) is not None
    monkeypatch.setattr(sys, "version", "another Python")
    assert KeptTemplates(path).find(KEY) is None


def test_a_folder_that_takes_no_file_stops_nothing(tmp_path: Path) -> None:
    kept = KeptTemplates(tmp_path / "missing" / "templates.marshal")
    kept.keep(KEY, code())
    kept.write()
    assert not list(tmp_path.iterdir())


# Replaces what dbt_command replaces, in a process of its own, and tells what has come of it.
_REPLACED = """
import json, sys
from pathlib import Path
from types import SimpleNamespace
from dbt.clients.jinja import MacroStack
from dbt.context.macros import MacroNamespace, MacroNamespaceBuilder
from dbt_common.clients.jinja import get_template
from orchestration.installation import dbt_command

def namespace():
    return MacroNamespace(
        {"a": "root", "b": "root", "c": "root", "own": "root"},
        {"a": "local"},
        {"c": "dbt", "d": "dbt", "dbt": "dbt", "own": "dbt"},
        {"b": "package", "own": {"d": "package"}},
    )

names = {"saldo": "ab", "more": "bc", "dbt": "cdef", "dbt_duckdb": "de"}
macros = {
    package: {each: SimpleNamespace(name=each, package_name=package) for each in letters}
    for package, letters in names.items()
}

def build(searched):
    ctx, stack = {}, MacroStack()
    builder = MacroNamespaceBuilder("saldo", searched, stack, ["dbt_duckdb", "dbt"], "a node")
    built = builder.build_namespace(macros, ctx)
    def tell(made):
        if isinstance(made, dict):
            return {name: tell(each) for name, each in made.items()}
        assert made.context is ctx and made.stack is stack and made.node == "a node"
        return [type(made).__name__, made.macro.package_name, made.get_name()]
    return [*map(tell, built._search_order())]

bare = namespace()
told = [dict(bare), len(bare)]
searched = ("saldo", "more", "dbt", "none")
built = [build(each) for each in searched]
dbt_command.make_macros_at_once()
told += [built, [build(each) for each in searched]]
dbt_command.find_macros_once()
joined = namespace()
told += [dict(joined), len(joined), "z" in joined, joined.get_from_package(None, "a")]

compiled = []
for _ in range(2):
    kept = dbt_command.KeptTemplates(Path(sys.argv[1]))
    find = kept.keep
    kept.keep = lambda key, code, find=find: compiled.append(key) or find(key, code)
    dbt_command.compile_once(kept)
    for native in (False, True):
        template = get_template("{% set m = n + 1 %}{{ m }}", {}, native=native)
        told.append(template.render({"n": 1}))
    kept.write()
print(json.dumps([*told, compiled]))
"""


def test_macros_and_templates_are_what_dbt_finds_and_compiles(path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _REPLACED, path],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    bare, bare_count, built, rebuilt, joined, count, has_other, macro, *rendered, compiled = (
        json.loads(done.stdout)
    )
    assert rebuilt == built
    assert built[1][0]["b"] == ["MacroGenerator", "more", "b"]
    assert (joined, count, has_other, macro) == (bare, bare_count, False, "local")
    assert joined["b"] == "root"
    assert rendered == ["2", 2, "2", 2]
    assert [kind for kind, _ in compiled] == ["MacroFuzzEnvironment", "NativeSandboxEnvironment"]


def test_dbt_tells_and_compiles_what_dbt_itself_does(home: Home) -> None:
    lend_parse(home)
    bare = _compile(home, _BARE, "debug")
    assert {kind for kind, *_ in bare.told} == {"info", "debug"}
    assert {"loads.sql", "debts.sql"} <= bare.compiled.keys()
    assert _compile(home, DBT, "debug") == bare
    said = [each for each in bare.told if each[0] == "info"]
    # The second of ours has its templates from the first.
    assert _compile(home, DBT, "info") == bare._replace(told=said)


class Compiled(NamedTuple):
    """What dbt says and writes."""

    told: list[tuple[str, str, str]]
    compiled: dict[str, str]


def _compile(home: Home, dbt: tuple[str, ...], level: str) -> Compiled:
    """Compile two models with one thread, so that messages come in one order."""
    logs = ("--log-format", "json", "--log-level", level, "--log-level-file", "none")
    done = subprocess.run(
        [*dbt, *logs, "compile", "--threads", "1", "--select", "loads", "debts"],
        cwd=PROJECT,
        env={**os.environ, **home.environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    events = [json.loads(line)["info"] for line in done.stdout.splitlines()]
    # What becomes of a connection depends on which of dbt's own threads was first.
    events = [each for each in events if "Connection" not in each["name"]]
    folder = home.root / "target" / "compiled"
    texts = {path.name: path.read_text() for path in folder.rglob("*.sql")}
    shutil.rmtree(folder)
    return Compiled([(each["level"], each["name"], _shown(each)) for each in events], texts)


def _shown(event: dict[str, Any]) -> str:
    """What is said at `info`; the other messages name times and places."""
    return event["msg"] if event["level"] == "info" else ""
