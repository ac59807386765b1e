"""The state directory on the disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cryptomap.datastore.statedir import keep_owner


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_what_root_makes_belongs_to_the_owner_of_the_directory(tmp_path: Path) -> None:
    os.chown(tmp_path, 4242, 4243)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/1").write_text("x")
    keep_owner(tmp_path)
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in tmp_path.rglob("*")}
    assert owners == {(4242, 4243)}
