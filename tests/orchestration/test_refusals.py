"""Each refusal says in one sentence what to do: of a server, of an inbox, of a command (R20)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestration.installation.home import PROJECT
from orchestration.pages.words import INBOXES
from orchestration.privacy.persons import _REASONS
from orchestration.servers.errors import WHAT_TO_DO, SftpError

SERVER_ERRORS = {"SftpError", "StillGrowingError", "TooLargeError", "NameTakenError"}
# Sentences that are made elsewhere, and what they say there.
MADE_ELSEWHERE = {
    "disagreement": ": ask for one of these on the server",
    "deadline.message": ": ask the organization",
    "_explain_refusal(given, wanted, secret)": ": check the user name and the secret",
}
TOLD_ELSEWHERE = {
    "'\\n'.join(problems)": "each problem names what is allowed",
    "'\\n'.join(told)": "each sentence is that of a DamagedError",
    "f'{path} is held by process {holder[1]}{_THEN_AGAIN}'": "the end says it",
    "f'customer {place} {what}'": "what is wrong with the id ends with it",
    "f'customer {places[asked.whose(claim)]} {told}'": "the reason ends with it",
    "failure.said + log_line": "the step that failed says it, or the log does",
    "header_problem(path.name, header, columns)": "it ends with the columns allowed",
}


def _refusals() -> Iterator[tuple[str, str, str]]:
    """Where a server's error is made, its code, and its sentence as the source has it."""
    for path in sorted((PROJECT / "orchestration").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        pairs = {
            target.id: node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in SERVER_ERRORS:
                arguments = list(node.args)
                if isinstance(arguments[0], ast.Starred):
                    arguments = list(pairs[ast.unparse(arguments[0].value)].elts)
                code, sentence = arguments[:2]
                named = ast.literal_eval(code) if isinstance(code, ast.Constant) else "no_folder"
                yield f"{Path(path).name}:{node.lineno}", named, ast.unparse(sentence)


REFUSALS = list(_refusals())


def test_the_refusals_are_found() -> None:
    assert {code for _, code, _ in REFUSALS} == {
        *WHAT_TO_DO.keys() - {"gone"},
        "host_key_changed",
        "host_key_unknown",
        "invalid_name",
        "listing_too_long",
        "login_refused",
        "no_common_algorithm",
        "no_credentials",
    }


@pytest.mark.parametrize(("place", "code", "sentence"), REFUSALS)
def test_a_refusal_says_what_to_do(place: str, code: str, sentence: str) -> None:
    said = MADE_ELSEWHERE.get(sentence, sentence)
    assert code in WHAT_TO_DO or ": " in said or sentence.startswith("f'set ")


def test_nothing_is_promised_that_only_the_daemon_does() -> None:
    """`run` from the command line says the same sentences, and looks once."""
    assert [code for code, advice in WHAT_TO_DO.items() if "by itself" in advice] == []


def test_pages_say_in_each_language_what_to_do_about_an_inbox() -> None:
    """All codes but those of what is delivered, and those that no server says."""
    of_servers = {code for _, code, _ in REFUSALS} - {"name_taken", "upload_damaged"}
    assert INBOXES.keys() == {
        *of_servers,
        "dated_ahead",
        "disk_full",
        "gone",
        "half_received",
        "misnamed",
        "not_a_file",
    }


def test_what_to_do_is_the_end_of_the_sentence() -> None:
    told = {code: str(SftpError(code, "what is wrong")) for code in WHAT_TO_DO}
    assert told == {code: f"what is wrong: {advice}" for code, advice in WHAT_TO_DO.items()}
    assert str(SftpError("timed_out", "so: do that", has_advice=True)) == "so: do that"


def _told() -> Iterator[tuple[str, str]]:
    """Where an error is made that a user is told, and its sentence as the source has it."""
    trees = {
        path: ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted((PROJECT / "orchestration").rglob("*.py"))
    }
    kinds = {"ToldError"}
    for _ in range(3):  # kinds of kinds
        kinds |= {
            node.name
            for tree in trees.values()
            for node in ast.walk(tree)
            if isinstance(node, ast.ClassDef) and kinds & {ast.unparse(b) for b in node.bases}
        }
    kinds |= {"click.BadParameter", "click.UsageError"}
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in kinds and node.args:
                yield f"{path.name}:{node.lineno}", ast.unparse(node.args[0])


TOLD = [each for each in _told() if each[1] != "file_id"]


def test_the_errors_that_are_told_are_found() -> None:
    assert len(TOLD) > 40


@pytest.mark.parametrize(("place", "sentence"), TOLD)
def test_an_error_that_is_told_says_what_to_do(place: str, sentence: str) -> None:
    is_said = re.search("[:;] |, then |say which|say whose|{reason}", sentence)
    assert is_said or sentence in TOLD_ELSEWHERE


def test_what_keeps_a_person_from_being_erased_says_what_to_do() -> None:
    assert [reason for reason in _REASONS.values() if ": " not in reason] == []
