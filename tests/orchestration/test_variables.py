"""Variables that say how an installation works are checked before anything is done."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from orchestration.installation.home import PROJECT, Home
from orchestration.installation.variables import TARGETS, WrongVariableError, check

ALLOWED = [
    {},
    {"SALDO_LOCK_WAIT_SECONDS": "0", "SALDO_MEMORY_LIMIT": "4g", "SALDO_TARGET": "prod"},
    {"SALDO_MEMORY_LIMIT": "1.5 GiB", "SALDO_TEMP_LIMIT": "none", "SALDO_SPARK_MEMORY": "512m"},
]
WRONG = {
    "SALDO_LOCK_WAIT_SECONDS": ("30m", "a whole number from 0"),
    "SALDO_MEMORY_LIMIT": ("4", "a size such as 4GB"),
    "SALDO_TEMP_LIMIT": ("lots", "a size such as 4GB"),
    "SALDO_SPARK_MEMORY": ("3 g", "a size such as 3g"),
    "SALDO_TARGET": ("Prod", "dev, ci, prod, spark, spark_connect"),
}


@pytest.mark.parametrize("environment", ALLOWED)
def test_what_is_allowed_passes(environment: dict[str, str]) -> None:
    check(environment)


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(WrongVariableError) as raised:
        check({name: value for name, (value, _) in WRONG.items()})
    assert str(raised.value).splitlines() == [
        f"{name}: {value!r} is not allowed; allowed: {words}"
        for name, (value, words) in WRONG.items()
    ]


def test_the_targets_are_those_of_the_profile_that_have_a_warehouse() -> None:
    outputs = yaml.safe_load((PROJECT / "profiles.yml").read_text())["saldo"]["outputs"]
    assert set(TARGETS) == {
        name for name, each in outputs.items() if each.get("path") != ":memory:"
    }


def _run(**variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "orchestration", "held"],
        cwd=PROJECT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_verb_says_it_in_one_sentence_and_makes_nothing(tmp_path: Path) -> None:
    told = _run(SALDO_HOME=str(tmp_path / "home"), SALDO_TARGET="Prod")
    assert (told.returncode, told.stderr.count("\n")) == (2, 1)
    assert told.stderr.startswith("saldo: SALDO_TARGET: 'Prod' is not allowed; ")
    assert list(tmp_path.iterdir()) == []


def test_what_is_empty_is_not_set(tmp_path: Path) -> None:
    told = _run(SALDO_HOME=str(tmp_path / "home"), SALDO_TARGET="", SALDO_MEMORY_LIMIT="")
    assert (told.returncode, told.stderr) == (0, "")
    assert Home.from_environment({"SALDO_HOME": "", "SALDO_SEEDS": ""}) == Home(
        PROJECT / "data", PROJECT / "seeds"
    )


def test_the_folder_of_the_user_is_meant_by_its_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/of_the_user")
    home = Home.from_environment({"SALDO_HOME": "~/saldo"})
    assert home.root == Path("/home/of_the_user/saldo")
