"""What the packages' tests need, and the package."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from support.fresh_root import run
from support.server import ROOT, lacking

NEEDED = ("dpkg-buildpackage", "dh", "debootstrap", "chroot", "setpriv", "buildah")


@pytest.fixture(scope="session", autouse=True)
def _prerequisites() -> None:
    missing = [program for program in NEEDED if shutil.which(program) is None]
    if os.geteuid() or missing:
        lacking("needs root" if os.geteuid() else f"not installed: {', '.join(missing)}")


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("deb")
    run(ROOT / "packaging/build-deb", directory)
    (found,) = directory.glob("cryptomap_*.deb")
    return found
