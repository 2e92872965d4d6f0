"""What is damaged of what landed is had again from where the same still is, and only from there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bent_sftp import USERNAME, Bends, BentServer, serve_bent

from orchestration.contracts.organizations import Organization
from orchestration.delivery import ledger
from orchestration.devtools.loopback_sftp import LoopbackServer
from orchestration.installation import warehouse
from orchestration.installation.home import Home
from orchestration.intake import arriving, restoring, soundness
from orchestration.intake.loads import ErasureUnfinishedError
from orchestration.landing import manifests, store
from tests.orchestration.conftest import MakeOrganization
from tests.orchestration.landed import carry, make


@pytest.fixture
def landed(tmp_path: Path) -> Home:
    return make(Home(tmp_path / "home", tmp_path / "seeds"))


@pytest.fixture
def lumina(make_organization: MakeOrganization) -> Organization:
    return make_organization("lumina")


def _spoil(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"?")


@pytest.mark.parametrize("damage", [_spoil, Path.unlink])
def test_bytes_are_had_again_from_where_the_same_still_are(
    landed: Home,
    lumina: Organization,
    sftp_server: LoopbackServer,
    damage: Callable[[Path], None],
) -> None:
    manifest = manifests.read_manifest(landed, 2)
    assert manifest is not None
    paths = {
        "a debts file": store.stored_path(landed, manifest.files[0]),
        "a range of events": store.events_path(landed, manifest.events[0].sha256),
        "contracts": store.contracts_path(landed, manifest.contracts) / "organizations.csv",
        "a batch": ledger.batch_path(landed, 1),
    }
    with warehouse.connect(landed) as connection:
        ledger.restore(connection, landed)
    carry(landed)
    former = {name: path.read_bytes() for name, path in paths.items()}
    inbox = sftp_server.root / lumina.inbox_dir
    (inbox / manifest.files[0].file_name).write_bytes(former["a debts file"])
    for path in paths.values():
        damage(path)

    restored = restoring.restore(landed, [lumina], sftp_server.environment(["lumina"]))

    contracts = paths.pop("contracts")
    assert restored == sorted([*paths.values(), contracts.parent])
    assert former == {
        name: path.read_bytes() for name, path in {**paths, "contracts": contracts}.items()
    }
    assert soundness.check_landing(landed) == []


def test_other_bytes_are_not_taken_for_what_is_damaged(
    landed: Home, lumina: Organization, sftp_server: LoopbackServer
) -> None:
    manifest = manifests.read_manifest(landed, 2)
    assert manifest is not None
    paths = [
        store.stored_path(landed, manifest.files[0]),
        store.events_path(landed, manifest.events[0].sha256),
        store.contracts_path(landed, manifest.contracts),
        manifests.manifest_path(landed, 3),
        ledger.batch_path(landed, 1),
    ]
    (sftp_server.root / lumina.inbox_dir / manifest.files[0].file_name).write_bytes(b"corrected")
    _spoil(landed.events / manifest.events[0].source_file)
    _spoil(landed.seeds / "organizations.csv")
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            _spoil(path)
    assert restoring.restore(landed, [lumina], sftp_server.environment(["lumina"])) == []
    assert {each.path for each in soundness.check_landing(landed)} == set(paths)


@pytest.mark.parametrize("fails_for_missing", [True, False])
@pytest.mark.parametrize("has", ["the same", "as many other bytes", "more bytes"])
def test_what_an_inbox_gives_once_waits_for_the_next_run_if_it_is_something_else(
    landed: Home,
    make_organization: MakeOrganization,
    tmp_path: Path,
    has: str,
    fails_for_missing: bool,
) -> None:
    """R13: a correction would be lost, and nobody would know that there had been one."""
    manifest = manifests.read_manifest(landed, 2)
    assert manifest is not None
    file = manifest.files[0]
    path = store.stored_path(landed, file)
    same = path.read_bytes()
    content = {
        "the same": same,
        "as many other bytes": same[:-1] + b"!",
        "more bytes": same + b"!",
    }[has]
    _spoil(path)
    with _giving_once(tmp_path, make_organization, file.file_name, content) as (lumina, server):
        server.bends.fails_for_missing = fails_for_missing
        restored = restoring.restore(landed, [lumina], server.environment("lumina"))
        waiting = [each.name for each in (server.root / "inbox").iterdir()]
    assert restored == ([path] if has == "the same" else [])
    assert waiting == ([file.file_name] if has == "more bytes" else [])
    left = arriving.find_whole(landed, "lumina")
    assert [each.remote.name for each in left] == (
        [file.file_name] if has == "as many other bytes" else []
    )
    for each in left:
        assert each.sha256 is not None
        assert store.file_path(landed, "lumina", each.sha256).read_bytes() == content


def test_nothing_is_had_again_during_an_erasure(
    landed: Home, make_organization: MakeOrganization, tmp_path: Path
) -> None:
    manifest = manifests.read_manifest(landed, 2)
    assert manifest is not None
    path = store.stored_path(landed, manifest.files[0])
    content = path.read_bytes()
    _spoil(path)
    landed.erasure.write_text("{}")
    name = manifest.files[0].file_name
    with _giving_once(tmp_path, make_organization, name, content) as (lumina, server):
        with pytest.raises(ErasureUnfinishedError):
            restoring.restore(landed, [lumina], server.environment("lumina"))
        assert [each.name for each in (server.root / "inbox").iterdir()] == [name]


@contextmanager
def _giving_once(
    root: Path, make_organization: MakeOrganization, name: str, content: bytes
) -> Iterator[tuple[Organization, BentServer]]:
    """An inbox with a file, which goes as soon as it was read."""
    with serve_bent(root / "bent", root / "keys", Bends(is_read_once=True)) as server:
        inbox = server.root / "inbox"
        inbox.mkdir()
        (inbox / name).write_bytes(content)
        organization = make_organization(
            sftp_port=server.port, sftp_username=USERNAME, inbox_dir="inbox"
        )
        yield organization, server


def test_a_server_that_does_not_answer_stops_nothing(
    landed: Home, make_organization: MakeOrganization
) -> None:
    manifest = manifests.read_manifest(landed, 2)
    assert manifest is not None
    file = store.stored_path(landed, manifest.files[0])
    events = store.events_path(landed, manifest.events[0].sha256)
    for path in (file, events):
        path.unlink()
    gone = make_organization("lumina", sftp_port=1)
    assert restoring.restore(landed, [gone], {"SFTP_PASSWORD_LUMINA": "x"}) == [events]
    assert [each.path for each in soundness.check_landing(landed)] == [file]
