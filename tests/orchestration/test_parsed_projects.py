"""Dagster takes dbt's manifest of the project as long as the project has the same content."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from orchestration.installation import dbt_project
from orchestration.installation.home import PROJECT, Home


@pytest.fixture
def parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home with contracts of its own, whose project has been parsed."""
    home = Home(tmp_path / "home", tmp_path / "seeds")
    shutil.copytree(PROJECT / "seeds", home.seeds)
    home.create()

    def run_dbt(home: Home, *arguments: str) -> None:
        assert arguments == ("parse", "--quiet")
        _manifest(home).parent.mkdir(exist_ok=True)
        _manifest(home).write_text("{}")

    monkeypatch.setattr(dbt_project, "run_dbt", run_dbt)
    assert not dbt_project.is_parsed(home)
    dbt_project.parse(home)
    assert dbt_project.is_parsed(home)
    return home


def _manifest(home: Home) -> Path:
    return home.root / "target" / "manifest.json"


def test_a_file_that_is_older_than_the_manifest_is_parsed_too(parsed: Home) -> None:
    """An upgrade is unpacked with the times that its files had when it was packed."""
    added = parsed.seeds / "added.csv"
    added.write_text("code\n1\n")
    os.utime(added, (0, 0))
    assert not dbt_project.is_parsed(parsed)
    dbt_project.parse(parsed)
    assert dbt_project.is_parsed(parsed)
    added.unlink()
    assert not dbt_project.is_parsed(parsed)


def test_the_same_content_with_another_time_is_not_parsed_again(parsed: Home) -> None:
    (parsed.seeds / "organizations.csv").touch()
    assert dbt_project.is_parsed(parsed)


def test_another_version_of_dbt_parses_anew(parsed: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dbt_project.metadata, "version", lambda package: f"9 of {package}")
    assert not dbt_project.is_parsed(parsed)


def test_a_manifest_that_is_lost_is_made_anew(parsed: Home) -> None:
    _manifest(parsed).unlink()
    assert not dbt_project.is_parsed(parsed)


def test_what_changes_during_the_parse_is_parsed_the_next_time(
    parsed: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = parsed.seeds / "added.csv"
    monkeypatch.setattr(dbt_project, "run_dbt", lambda *_: added.write_text("code\n1\n"))
    dbt_project.parse(parsed)
    assert not dbt_project.is_parsed(parsed)
