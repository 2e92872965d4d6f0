"""What `make test-spark` asks of a machine, and of the libraries that it downloads."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.devtools import spark_jars
from orchestration.devtools.spark_jars import WrongJarError
from orchestration.installation import spark
from orchestration.installation.spark import NoSparkError


@pytest.fixture(autouse=True)
def without_java_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)


def test_a_machine_without_java_is_told_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NoSparkError, match=r"Spark needs Java 17 or 21: there is no `java`"):
        spark.require_java()


@pytest.mark.parametrize("version", ["1.8.0_392", "11.0.25", "25"])
def test_a_java_that_spark_does_not_run_on_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    _write_java(tmp_path, version)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(NoSparkError, match=f'`java` is openjdk version "{version}"'):
        spark.require_java()


@pytest.mark.parametrize("version", ["17", "17.0.15", "21.0.5"])
def test_a_java_that_spark_runs_on_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    _write_java(tmp_path, version)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert version in spark.require_java()


def test_the_java_of_java_home_is_looked_at_as_pyspark_takes_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, version in (("path", "17.0.15"), ("home/bin", "21.0.5"), ("old/bin", "11.0.25")):
        (tmp_path / name).mkdir(parents=True)
        _write_java(tmp_path / name, version)
    monkeypatch.setenv("PATH", f"{tmp_path / 'path'}:/usr/bin:/bin")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "home"))
    assert "21.0.5" in spark.require_java()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "old"))
    with pytest.raises(NoSparkError, match=r'`.*/old/bin/java` is openjdk version "11\.0\.25"'):
        spark.require_java()
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "none"))
    with pytest.raises(NoSparkError, match=r"no `.*/none/bin/java`: name another JAVA_HOME"):
        spark.require_java()


def test_a_library_with_another_checksum_is_refused(tmp_path: Path) -> None:
    jar = tmp_path / "library.jar"
    jar.write_bytes(b"other")
    with pytest.raises(WrongJarError, match=r"library\.jar has the sha256 d9298a10"):
        spark_jars.require_checksum(jar, "0" * 64)


def _write_java(folder: Path, version: str) -> None:
    java = folder / "java"
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)
