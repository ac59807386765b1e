"""A Debian with next to nothing in it, for what users get: the package, not the checkout."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any


def run(*command: str | Path, **options: Any) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class FreshRoot:
    """A Debian with nothing but Python in it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def run(self, *command: str) -> str:
        return run(
            "chroot",
            self.path,
            *command,
            env={
                "PATH": "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                "HOME": "/root",
                "DEBIAN_FRONTEND": "noninteractive",
            },
        )

    def dpkg(self, option: str, package: Path | str) -> str:
        """Take away, or put in if it is a path."""
        if isinstance(package, str):
            return self.run("dpkg", option, package)
        shutil.copy(package, self.path / "srv/package.deb")
        return self.run("dpkg", option, "/srv/package.deb")

    def popen(self, command: list[str], **options: Any) -> subprocess.Popen[str]:
        """cryptomapd in there, as its own user: paths of ours mean what they are in there."""
        inside = [part.replace(str(self.path), "") for part in command[3:]]
        user = ["setpriv", "--reuid=cryptomap", "--regid=cryptomap", "--init-groups"]
        return subprocess.Popen(["chroot", str(self.path), *user, "cryptomapd", *inside], **options)
