"""The state directory on the disk."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from cryptomap.datastore.statedir import StateDirectory, keep_owner


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_root_makes_belongs_to_the_owner_of_the_directory(tmp_path: Path) -> None:
    os.chown(tmp_path, 4242, 4243)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/1").write_text("x")
    keep_owner(tmp_path)
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in tmp_path.rglob("*")}
    assert owners == {(4242, 4243)}


def test_a_stop_keeps_room_for_the_next_start(tmp_path: Path) -> None:
    """What a disk gives that really is full, see ``interop/test_real_disk.py``."""
    state = StateDirectory(tmp_path / "state")
    state.use_reserve()
    state.keep_reserve()
    assert state.reserve.stat().st_blocks * 512 >= 1 << 16
    state.use_reserve()
    assert not state.reserve.exists()
    state.close()


def test_where_there_is_no_room_none_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, pieces: list[bytes]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("cryptomap.datastore.statedir.write_durably", full)
    state = StateDirectory(tmp_path / "state")
    state.keep_reserve()
    assert not state.reserve.exists()
    state.close()
