"""Files of events: every whole line once, whatever is done to it, and what is none is told."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.installation.home import Home
from orchestration.landing import event_files, store
from orchestration.landing.event_files import MESSAGES, Position, take
from orchestration.landing.manifests import EventRange, Manifest
from orchestration.reports.verifying import verify
from tests.orchestration.installations import Installed, install

_NOW = (datetime(2026, 3, 2, 8), date(2026, 3, 2))


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _range(name: str, content: bytes, start: int = 0, lines_before: int = 0) -> EventRange:
    """The range that ends where `content`, all of the file so far, does."""
    own = _hash(content[start:])
    return EventRange(name, start, len(content), lines_before, own, prefix_sha256=_hash(content))


def _after(content: bytes) -> Position:
    """The position of a file that was read to the end of `content`."""
    return Position(len(content), content.count(b"\n"), _hash(content))


def _refused(name: str, code: str) -> EventRange:
    return EventRange(name, 0, 0, 0, code=code)


def _bytes_of(home: Home, event_range: EventRange) -> bytes:
    return store.events_path(home, event_range.sha256).read_bytes()


class TestNewLines:
    """Which bytes and lines are new."""

    def test_a_new_file_is_read_from_its_start_to_its_last_line_end(self, home):
        (home.events / "b.jsonl").write_bytes(b"12\n45\n")
        (home.events / "a.jsonl").write_bytes(b"1\n")
        (home.events / "empty.jsonl").write_bytes(b"")
        assert take(home, {}) == [_range("a.jsonl", b"1\n"), _range("b.jsonl", b"12\n45\n")]

    def test_a_last_line_without_end_waits_until_it_has_one(self, home):
        path = home.events / "a.jsonl"
        path.write_bytes(b"first\nsec")
        assert take(home, {}) == [_range("a.jsonl", b"first\n")]
        after_first = {"a.jsonl": _after(b"first\n")}
        assert take(home, after_first) == []
        path.write_bytes(b"first\nsecond\nthi")
        assert take(home, after_first) == [_range("a.jsonl", b"first\nsecond\n", 6, 1)]
        assert take(home, {"a.jsonl": _after(b"first\nsecond\n")}) == []

    def test_a_line_end_far_before_the_end_of_the_file_is_found(self, home):
        (home.events / "a.jsonl").write_bytes(b"first\n" + b"x" * (3 << 20))
        assert take(home, {}) == [_range("a.jsonl", b"first\n")]
        assert take(home, {"a.jsonl": _after(b"first\n")}) == []

    def test_a_range_is_kept_whatever_becomes_of_its_file(self, home):
        path = home.events / "a.jsonl"
        path.write_bytes(b"former\nlatter\n")
        (kept,) = take(home, {"a.jsonl": _after(b"former\n")})
        path.unlink()
        assert kept == _range("a.jsonl", b"former\nlatter\n", 7, 1)
        assert _bytes_of(home, kept) == b"latter\n"

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.sampled_from([b"\n", b"a", b"bc", b"\r"]), max_size=30), st.integers(0, 30))
    def test_two_looks_read_what_one_would(self, home, pieces, cut):
        content = b"".join(pieces)
        path = home.events / "a.jsonl"

        def look(content: bytes, positions: Mapping[str, Position]) -> tuple[bytes, Any]:
            path.write_bytes(content)
            ranges = take(home, positions)
            taken = b"".join(_bytes_of(home, each) for each in ranges)
            assert taken[-1:] in (b"", b"\n")
            return taken, {"a.jsonl": _after(content[: ranges[0].to_byte])} if ranges else positions

        first, positions = look(content[:cut], {})
        second, positions = look(content, positions)
        whole = content[: content.rfind(b"\n") + 1]
        assert first + second == whole
        assert positions == ({"a.jsonl": _after(whole)} if whole else {})


class TestOtherFiles:
    """What is under a name that was read before need not be what was read."""

    FORMER = b"one\ntwo\n"

    @pytest.mark.parametrize(
        "content",
        [b"six\nten\nnew\n", b"six\nten\n", b"six\n", b"one\ntwO\n"],
        ids=["longer", "as long", "shorter", "one letter"],
    )
    def test_a_file_that_begins_with_other_bytes_is_read_from_its_start(self, home, content):
        (home.events / "a.jsonl").write_bytes(content)
        assert take(home, {"a.jsonl": _after(self.FORMER)}) == [_range("a.jsonl", content)]

    def test_a_file_that_was_cut_off_is_read_from_its_start_once_it_has_a_line(self, home):
        path, positions = home.events / "a.jsonl", {"a.jsonl": _after(self.FORMER)}
        for content in (b"", b"thr"):
            path.write_bytes(content)
            assert take(home, positions) == []
        path.write_bytes(b"three\n")
        assert take(home, positions) == [_range("a.jsonl", b"three\n")]

    @pytest.mark.parametrize(
        "name",
        [
            "a-1.jsonl",
            "A.JSONL",
            "a.jsonl.1",
            "a.JsonL.10",
            "a.jsonl-20260302",
            "a.jsonl-1772427600",
            "a.jsonl_20260302",
            "a.jsonl.2026-03-02",
            "a.jsonl.2026-03-02.1",
            "a.jsonl.2026-03-02_13-00",
            "a.jsonl.2026-03-02T13:00:00Z",
        ],
    )
    def test_a_file_that_was_renamed_is_another_and_so_is_the_new_one(self, home, name):
        path, positions = home.events / "a.jsonl", {"a.jsonl": _after(self.FORMER)}
        path.write_bytes(self.FORMER + b"last\n")
        path.rename(home.events / name)
        path.write_bytes(b"three\nfour\nfive\n")
        assert sorted(take(home, positions), key=lambda each: each.source_file != name) == [
            _range(name, self.FORMER + b"last\n"),
            _range("a.jsonl", b"three\nfour\nfive\n"),
        ]

    def test_a_half_written_file_is_none(self, home):
        for name in ("a.jsonl.part", "b.jsonl.TMP", "a.jsonl~", ".a.jsonl.k3Jd8x", ".gitkeep"):
            (home.events / name).write_bytes(b"one\n")
        assert take(home, {}) == []

    def test_a_change_far_before_the_position_is_seen_though_size_and_time_are_the_same(self, home):
        path = home.events / "a.jsonl"
        former = b"x" * (4 << 20) + b"\n"
        path.write_bytes(former)
        _grow_old()
        positions = {"a.jsonl": _after(former)}
        assert take(home, positions) == []
        times = path.stat()
        changed = former[: 2 << 20] + b"y" + former[(2 << 20) + 1 :]
        path.write_bytes(changed)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        assert take(home, positions) == [_range("a.jsonl", changed)]

    def test_a_file_read_by_a_version_that_kept_no_hash_is_read_on(self, home):
        (home.events / "a.jsonl").write_bytes(b"one\ntwo\nthree\n")
        assert take(home, {"a.jsonl": Position(8, 2)}) == [
            _range("a.jsonl", b"one\ntwo\nthree\n", 8, 2)
        ]

    def test_a_file_that_has_not_changed_is_not_read_again(self, home, monkeypatch):
        path = home.events / "a.jsonl"
        path.write_bytes(self.FORMER + b"thi")
        _grow_old()
        assert take(home, {}) == [_range("a.jsonl", self.FORMER)]
        read: list[int] = []
        monkeypatch.setattr(event_files, "_read", _noting(read, event_files._read))
        assert take(home, {"a.jsonl": _after(self.FORMER)}) == []
        assert read == []
        # Another position, as of a warehouse that was lost: it is read.
        assert take(home, {"a.jsonl": _after(b"one\n")}) == [_range("a.jsonl", self.FORMER, 4, 1)]
        assert read


def _noting(read: list[int], act: Callable[..., bytes]) -> Callable[..., bytes]:
    def noted(source: Any, size: int) -> bytes:
        read.append(size)
        return act(source, size)

    return noted


def _grow_old() -> None:
    """Wait until a file that was written now cannot change without showing another time."""
    time.sleep(2.5)


class TestNoFiles:
    """What is called like a file of events and is none is told, and the others are read (R20)."""

    @pytest.fixture
    def others(self, home: Home) -> list[EventRange]:
        (home.events / "0.jsonl").write_bytes(b"first\n")
        (home.events / "z.jsonl").write_bytes(b"last\n")
        return [_range("0.jsonl", b"first\n"), _range("z.jsonl", b"last\n")]

    def test_a_file_of_another_name_and_a_folder(self, home, others):
        names = [
            "a.bak",
            "a.json",
            "a.jsonl.1.gz",
            "a.jsonl.2026-03-02.gz",
            "a.jsonl.gz",
            "a.jsonl.old",
            "a.jsonl1",
            "a.ndjson",
            "jsonl",
            "notes.txt",
        ]
        for name in names:
            (home.events / name).write_bytes(b"one\n")
        (home.events / "read").mkdir()
        names.append("read")
        latin = os.fsdecode(b"r\xe9ad")
        (home.events / latin).write_bytes(b"one\n")
        names.append("r\\xe9ad")
        assert take(home, {}) == [
            others[0],
            *(_refused(name, "not_an_event_file") for name in names),
            others[1],
        ]

    def test_folders_pipes_sockets_and_links_without_a_file(self, home, others):
        (home.events / "folder.jsonl").mkdir()
        os.mkfifo(home.events / "pipe.jsonl")
        (home.events / "link.jsonl").symlink_to("nowhere")
        (home.events / "loop.jsonl").symlink_to("loop.jsonl")
        (home.events / "device.jsonl").symlink_to("/dev/zero")
        with _socket(home.events / "socket.jsonl"):
            assert take(home, {}) == [
                others[0],
                _refused("device.jsonl", "not_a_file"),
                _refused("folder.jsonl", "not_a_file"),
                _refused("link.jsonl", "dangling_link"),
                _refused("loop.jsonl", "not_readable"),
                _refused("pipe.jsonl", "not_a_file"),
                _refused("socket.jsonl", "not_a_file"),
                others[1],
            ]

    def test_a_file_that_may_not_be_read(self, home, others):
        path = home.events / "closed.jsonl"
        path.write_bytes(b"1\n")
        path.chmod(0)
        with _without_root(home.root):
            found = take(home, {})
        assert found == [others[0], _refused("closed.jsonl", "not_readable"), others[1]]

    def test_a_name_that_is_not_utf_8(self, home, others):
        path = Path(os.fsdecode(os.fsencode(home.events) + b"/latin-\xf1.jsonl"))
        path.write_bytes(b"1\n")
        refused = _refused("latin-\\xf1.jsonl", "name_not_utf8")
        assert take(home, {}) == [others[0], refused, others[1]]

    def test_a_last_line_that_nobody_ends_is_told_until_it_is_ended(self, home, others):
        """A payment would be silently left out. What is being written now has no fault."""
        content = b"1\n2"
        for name in ("growing.jsonl", "left.jsonl"):
            (home.events / name).write_bytes(content)
        left = home.events / "left.jsonl"
        hours_ago = time.time() - 2 * 3600
        os.utime(left, (hours_ago, hours_ago))
        whole = [_range(name, b"1\n") for name in ("growing.jsonl", "left.jsonl")]
        refused = _refused("left.jsonl", "unended_line")
        assert take(home, {}) == [others[0], *whole, refused, others[1]]
        read = {each.source_file: _after(b"1\n") for each in whole}
        read |= {"0.jsonl": _after(b"first\n"), "z.jsonl": _after(b"last\n")}
        assert take(home, read) == [refused]
        left.write_bytes(content + b"\n")
        os.utime(left, (hours_ago, hours_ago))
        assert take(home, read) == [_range("left.jsonl", content + b"\n", 2, 1)]

    def test_a_link_to_a_file_is_read_as_the_file(self, home):
        (home.root / "elsewhere").write_bytes(b"1\n")
        (home.events / "a.jsonl").symlink_to(home.root / "elsewhere")
        assert take(home, {}) == [_range("a.jsonl", b"1\n")]

    def test_a_manifest_of_a_former_version_with_such_a_name_is_read(self, home):
        manifest = Manifest(1, *_NOW, events=(EventRange("latin-\udcf1.jsonl", 0, 2, 0, "00"),))
        read = Manifest.from_json(manifest.to_json())
        assert [each.source_file for each in read.events] == ["latin-\\xf1.jsonl"]
        assert Manifest.from_json(read.to_json()) == read


@contextmanager
def _socket(path: Path) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        yield


@contextmanager
def _without_root(folder: Path) -> Iterator[None]:
    """Have the block be done by somebody who may not read everything, if this is root."""
    if os.geteuid() != 0:
        yield
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, 65534, 65534)
    modes = {each: each.stat().st_mode for each in folder.parents}
    for each, mode in modes.items():
        each.chmod(mode | 0o011)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        for each, mode in modes.items():
            each.chmod(mode)


DAYS = (date(2026, 3, 2), date(2026, 3, 3))


def _authorized(number: int, organization_id: str = "lumina") -> str:
    event = {
        "event_id": f"rotated-{number}",
        "occurred_at": "2026-03-02T13:15:00+00:00",
        "organization_id": organization_id,
        "payment_id": f"rotated-{number}",
        "customer_id": "19153032-2",
        "product_id": f"ROT-{number}",
        "due_date": "2026-03-22",
        "amount": "31400",
        "currency": "CLP",
        "channel": "webpay",
        "status": "authorized",
    }
    return json.dumps(event) + "\n"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    with install(tmp_path_factory.mktemp("events"), Installed) as installed:
        yield installed


@pytest.fixture(scope="module")
def runs(installed: Installed) -> list[tuple[int, str, set[str]]]:
    """Of three runs the exit status, what was said of events, and the payments there were.

    Before the second the file of events is rotated, and what no file is comes into the folder;
    before the third it is taken away again. From the first on there are payments of organizations
    without a contract.
    """
    events = installed.home.events
    told: list[tuple[int, str, set[str]]] = []

    def run(day: date) -> None:
        result = installed.command("run", "--date", day.isoformat())
        told_of = ("events ", "payments of ", "statuses ")
        said = [line for line in result.stdout.splitlines() if line.startswith(told_of)]
        with duckdb.connect(str(installed.home.analytics), read_only=True) as published:
            payments = published.execute(
                "select payment_id from payments where payment_id like 'rotated-%'"
            ).fetchall()
        told.append(
            (result.returncode, "\n".join(said), {payment_id for (payment_id,) in payments})
        )

    installed.upload(DAYS[0])
    path = events / "spei.jsonl"
    path.write_text(_authorized(1) + _authorized(2))
    (events / "stray.jsonl").write_text(
        _authorized(11, "lumin") + _authorized(12, "lumin") + _authorized(13, "new\x1b[31m")
    )
    run(DAYS[0])
    path.rename(events / "spei.jsonl.1")
    path.write_text("".join(_authorized(number) for number in (3, 4, 5, 2, 6)))
    bad = Path(os.fsdecode(os.fsencode(events) + b"/latin-\xf1.jsonl"))
    bad.write_text(_authorized(7))
    os.mkfifo(events / "pipe.jsonl")
    (events / "link.jsonl").symlink_to("nowhere")
    (events / "folder.jsonl").mkdir()
    (events / "webpay.ndjson").write_text(_authorized(9))
    (events / "unended.jsonl").write_text(_authorized(8).rstrip("\n"))
    os.utime(events / "unended.jsonl", (1_700_000_000, 1_700_000_000))
    installed.upload(DAYS[1])
    run(DAYS[1])
    for name in (bad.name, "pipe.jsonl", "link.jsonl", "unended.jsonl", "webpay.ndjson"):
        (events / name).unlink()
    (events / "folder.jsonl").rmdir()
    run(DAYS[1])
    return told


STRAY = (
    "payments of organizations without a contract, which are in no file: lumin (2), new?[31m (1);"
    " `payment_exceptions` names them (unknown_organization): add the contract, or ask the"
    " processor"
)


class TestRuns:
    """Whole runs over files of events that are rotated and entries that are none."""

    def test_no_payment_of_a_rotated_file_is_missed(self, runs):
        assert [payments for *_, payments in runs] == [
            {"rotated-1", "rotated-2"},
            {f"rotated-{number}" for number in range(1, 7)},
            {f"rotated-{number}" for number in range(1, 7)},
        ]

    def test_payments_of_no_contract_are_told_in_one_line_by_each_run(self, runs):
        assert runs[0][:2] == (1, STRAY)
        assert [said.splitlines()[-1] for _, said, _ in runs] == [STRAY] * 3

    @pytest.mark.usefixtures("runs")
    def test_what_is_no_file_is_taken_for_no_damage(self, installed):
        assert verify(installed.home).findings == ()

    def test_what_is_no_file_is_told_with_exit_status_1_as_long_as_it_is_there(self, runs):
        assert [(code, said) for code, said, _ in runs[1:2]] == [
            (
                1,
                "\n".join(
                    f"events {name} refused ({code}): {MESSAGES[code]}"
                    for name, code in (
                        ("folder.jsonl", "not_a_file"),
                        ("latin-\\xf1.jsonl", "name_not_utf8"),
                        ("link.jsonl", "dangling_link"),
                        ("pipe.jsonl", "not_a_file"),
                        ("unended.jsonl", "unended_line"),
                        ("webpay.ndjson", "not_an_event_file"),
                    )
                )
                + f"\n{STRAY}",
            )
        ]
