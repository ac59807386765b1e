"""Backup and restore of a state directory."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from cryptomap.datastore.backup import JOURNAL, KEYS, MANIFEST, back_up, restore
from cryptomap.datastore.datastores import Datastores
from cryptomap.datastore.secrets import KeyFile, Vault
from cryptomap.datastore.statedir import StateDirectory, StateFault
from cryptomap.schema.nodes import Schema
from support.stores import ALICE, Clock, commit_mtu, interface, mtu, put

Opened = Callable[[str], Datastores]


@pytest.fixture
def opened(tmp_path: Path, schema: Schema) -> Opened:
    def open_directory(name: str) -> Datastores:
        state = StateDirectory(tmp_path / name)
        vault = Vault.open(state.key_file, create=state.is_new)
        return Datastores(schema, state, vault, clock=Clock(), background=lambda work: work())

    return open_directory


@pytest.fixture
def backup(opened: Opened, tmp_path: Path) -> Path:
    """Of a server that goes on: one more commit follows it."""
    datastores = opened("state")
    put(datastores, interface("eth0", "<mtu>1500</mtu><psk>secret</psk>"))
    datastores.commit(ALICE)
    put(datastores, interface("eth0", "<mtu>1501</mtu>"))  # a candidate is nobody's to keep
    manifest = back_up(tmp_path / "state", tmp_path / "backup", keys=True)
    assert (manifest.head, manifest.has_keys) == (1, True)
    commit_mtu(datastores, 9000)
    datastores.close()
    return tmp_path / "backup"


def restored(backup: Path, directory: Path, key_file: Path | None = None) -> Path:
    state = StateDirectory(directory)
    try:
        return restore(backup, state, key_file)[1]
    finally:
        state.close()


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_what_was_committed_before_the_backup_is_there_again(backup: Path, opened: Opened, tmp_path: Path) -> None:
    aside = restored(backup, tmp_path / "state")
    datastores = opened("state")
    assert (datastores.head, mtu(datastores.running.root)) == (1, "1500")
    commit_mtu(datastores, 68)
    datastores.close()
    assert (aside / JOURNAL).exists()
    assert aside.parent == tmp_path / "state"


def test_on_another_machine(backup: Path, opened: Opened, tmp_path: Path) -> None:
    restored(backup, tmp_path / "elsewhere")
    datastores = opened("elsewhere")
    assert mtu(datastores.running.root) == "1500"
    datastores.close()
    assert (tmp_path / "elsewhere" / "secrets.key").stat().st_mode & 0o777 == 0o600


def test_it_is_the_owner_s_alone_and_holds_no_clear_secret(backup: Path) -> None:
    assert backup.stat().st_mode & 0o777 == 0o600
    with tarfile.open(backup) as tar:
        for member in tar:
            file = tar.extractfile(member)
            assert file is not None
            assert b"secret" not in file.read().replace(b"secrets.key", b"")


def test_without_keys_the_key_file_has_to_come_from_elsewhere(opened: Opened, tmp_path: Path, backup: Path) -> None:
    assert not back_up(tmp_path / "state", tmp_path / "backup", keys=False).has_keys
    with pytest.raises(StateFault, match="name the one it was made with"):
        restored(backup, tmp_path / "elsewhere")
    KeyFile.new().write(tmp_path / "wrong")
    with pytest.raises(StateFault, match="does not open the backup"):
        restored(backup, tmp_path / "elsewhere", tmp_path / "wrong")
    restored(backup, tmp_path / "elsewhere", tmp_path / "state" / "secrets.key")
    datastores = opened("elsewhere")
    assert mtu(datastores.running.root) == "9000"
    datastores.close()


def test_a_directory_in_use_is_not_restored(backup: Path, opened: Opened, tmp_path: Path) -> None:
    datastores = opened("state")
    with pytest.raises(StateFault, match="in use by another process"):
        restored(backup, tmp_path / "state")
    assert mtu(datastores.running.root) == "9000"
    datastores.close()


def test_there_must_be_something_to_back_up(tmp_path: Path) -> None:
    with pytest.raises(StateFault, match="no journal"):
        back_up(tmp_path / "nowhere", tmp_path / "backup", keys=False)


def test_a_damaged_journal_is_not_backed_up(backup: Path, tmp_path: Path) -> None:
    backup.unlink()
    journal = tmp_path / "state" / JOURNAL
    data = bytearray(journal.read_bytes())
    at = data.find(b"<config")
    data[at + 200] ^= 1
    journal.write_bytes(data)
    with pytest.raises(StateFault, match="damaged"):
        back_up(tmp_path / "state", backup, keys=False)
    assert not backup.exists()
    assert not list(tmp_path.glob(".backup*"))


def rewritten(backup: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """The same tar with its members changed."""
    members: dict[str, bytes] = {}
    with tarfile.open(backup) as tar:
        for member in tar:
            file = tar.extractfile(member)
            assert file is not None
            members[member.name] = file.read()
    change(members)
    with tarfile.open(backup, "w:gz") as tar:
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))


def flipped(members: dict[str, bytes]) -> None:
    data = bytearray(members[JOURNAL])
    data[len(data) // 2] ^= 1
    members[JOURNAL] = bytes(data)


def newer(members: dict[str, bytes]) -> None:
    members[MANIFEST] = json.dumps(json.loads(members[MANIFEST]) | {"format": 99}).encode()


DAMAGES: dict[str, tuple[Callable[[dict[str, bytes]], None], str]] = {
    "a changed bit": (flipped, "journal.sqlite is not what was backed up"),
    "a missing member": (lambda members: members.pop(KEYS[0]) and None, "does not hold what its manifest says"),
    "a stranger": (lambda members: members.update({"../../etc/passwd": b"x"}), "a stranger in it"),
    "another format": (newer, "format 99 was written by a newer"),
    "a manifest of something else": (lambda members: members.update({MANIFEST: b"{}"}), "is no backup"),
    "nothing": (lambda members: members.clear(), "is no backup"),
}


@pytest.mark.parametrize(("change", "said"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_backup_changes_nothing(
    backup: Path, tmp_path: Path, change: Callable[[dict[str, bytes]], None], said: str
) -> None:
    rewritten(backup, change)
    before = contents(tmp_path / "state")
    with pytest.raises(StateFault, match=said):
        restored(backup, tmp_path / "state")
    assert contents(tmp_path / "state") == before


def test_what_is_no_backup_at_all(tmp_path: Path) -> None:
    (tmp_path / "backup").write_bytes(b"something else entirely")
    with pytest.raises(StateFault, match="is no backup"):
        restored(tmp_path / "backup", tmp_path / "state")


class Cut(BaseException):
    """The end of the process."""


@pytest.mark.parametrize("after", range(7))
def test_a_restore_that_is_cut_short_is_finished_by_the_next_start(
    backup: Path, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """After each of its renames: the state is the old one or the new one, never a mixture, never an empty one."""
    rename, left = Path.rename, [after]

    def cut(path: Path, target: Path) -> Path:
        if not left[0]:
            raise Cut
        left[0] -= 1
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", cut)
        with pytest.raises(Cut):
            restored(backup, tmp_path / "state")
    datastores = opened("state")
    assert (datastores.head, mtu(datastores.running.root)) in ([(2, "9000")] if after < 2 else [(1, "1500")])
    datastores.close()
    assert not (tmp_path / "state" / ".restore").exists()
