"""What each dbt and Dagster would make anew as it starts, made in the process that is forked.

A build comes to the same in half the CPU: the classes of dbt have their decoders, macros and models
are compiled, no event is made that nobody hears, and DuckDB starts no threads. A dbt that is
started has none of this.
"""

from __future__ import annotations

import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import jinja2
import parsedatetime
from dagster.components.core import package_entry, snapshot
from dbt.artifacts.resources.v1.config import TestConfig
from dbt.artifacts.resources.v1.seed import SeedConfig
from dbt.cli.main import dbtRunner
from dbt.compilation import Linker
from dbt.contracts.graph.nodes import GenericTestNode, SeedNode
from dbt.contracts.graph.unparsed import UnparsedNodeUpdate
from dbt_common.clients.jinja import get_environment, template_cache

from orchestration.installation import dbt_command
from orchestration.installation.home import PROJECT, Home
from tests.orchestration.forking import work_on_one_core
from tests.orchestration.starting import lend_parse


def warm_dbt() -> None:
    """Have dbt read the project as it was parsed, and keep what comes of it."""
    _compile_each_text_once()
    dbt_command.tell_only_what_is_heard()
    dbt_command.make_macros_at_once()
    dbt_command.find_macros_once()
    _leave_out_diagnostics()
    work_on_one_core()
    # The words of a language: agate has them made for each result of a query.
    parsedatetime.Constants = cache(parsedatetime.Constants)
    manifest = _read_project()
    # What seeds and their tests are checked by: those of a test's contracts are read anew.
    for kind in (GenericTestNode, SeedConfig, SeedNode, TestConfig, UnparsedNodeUpdate):
        kind.json_schema()
    for macro in manifest.macros.values():
        template_cache.get_node_template(macro)
    for node in manifest.nodes.values():
        if hasattr(node, "raw_code"):
            get_environment(node).compile(node.raw_code)
    # It has a thread, which would not survive a fork.
    duckdb.default_connection().close()
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        # dbt's parser has threads as well, and each fork would wait for them for ever.
        sys.exit("a file of the project was changed while its tests run: run them again")


def warm_dagster() -> None:
    """Have Dagster describe its own components once, not whenever it loads definitions."""
    describe = cache(snapshot.get_package_entry_snap)
    for component in package_entry.discover_entry_point_package_objects().items():
        describe(*component)
    snapshot.get_package_entry_snap = describe


def _read_project() -> Any:
    """The manifest of the project, read as a build reads it."""
    former = dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder), PROJECT / "seeds")
        home.create()
        lend_parse(home)
        os.environ.update(home.environment())
        read = dbtRunner().invoke(["--quiet", "parse", "--no-write-json"])
    os.environ.clear()
    os.environ.update(former)
    assert read.success, read.exception
    return read.result


def _compile_each_text_once() -> None:
    """Keep the code that Jinja makes of a text, which depends on the kind of environment alone."""
    compile_text = jinja2.Environment.compile
    made: dict[tuple[type, str], Any] = {}

    def compile_once(environment: jinja2.Environment, text: Any, *others: Any) -> Any:
        if others or not isinstance(text, str):
            return compile_text(environment, text, *others)
        key = type(environment), text
        if key not in made:
            made[key] = compile_text(environment, text)
        return made[key]

    jinja2.Environment.compile = compile_once  # type: ignore[method-assign]


def _leave_out_diagnostics() -> None:
    """Have dbt look for no cycle in a project that was read, and write no summary of its graph."""
    Linker.find_cycles = lambda linker: None  # type: ignore[method-assign]
    Linker.get_graph_summary = lambda linker, manifest: {}  # type: ignore[method-assign]
