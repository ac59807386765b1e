"""The packages as users get them: the wheel is whole; the Debian package installs in a fresh Debian, serves as its own
user, is upgraded with its configuration, and leaves nothing behind. ``make test-packages`` runs this, as root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.server import ROOT, Daemon, make_key, sample

NEEDED = ("dpkg-buildpackage", "dh", "debootstrap", "chroot", "setpriv", "buildah")
PURGED = (
    "usr/lib/cryptomap",
    "usr/bin/cryptomapd",
    "etc/cryptomap",
    "var/lib/cryptomap",
    "lib/systemd/system/cryptomapd.service",
)


def run(*command: str | Path, **options: Any) -> str:
    """The output of a command that must succeed."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module", autouse=True)
def _prerequisites() -> None:
    missing = [program for program in NEEDED if shutil.which(program) is None]
    reason = "needs root" if os.geteuid() else f"not installed: {', '.join(missing)}" if missing else ""
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("deb")
    run(ROOT / "packaging/build-deb", directory)
    (found,) = directory.glob("cryptomap_*.deb")
    return found


@pytest.fixture(scope="module")
def newer(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same package with a higher version."""
    tree = tmp_path_factory.mktemp("newer") / "tree"
    run("dpkg-deb", "--raw-extract", package, tree)
    control = tree / "DEBIAN/control"
    version = run("dpkg-deb", "--field", package, "Version").strip()
    control.write_text(control.read_text().replace(f"Version: {version}", f"Version: {version}+next"))
    run("dpkg-deb", "--root-owner-group", "--build", tree, tree.parent)
    (found,) = tree.parent.glob("*.deb")
    return found


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


@pytest.fixture
def root(tmp_path: Path) -> Iterator[FreshRoot]:
    path = tmp_path / "root"
    run(ROOT / "packaging/fresh-root", path)
    run("mount", "-t", "proc", "proc", path / "proc")
    run("mount", "--bind", "/dev", path / "dev")
    yield FreshRoot(path)
    run("umount", path / "dev")
    run("umount", path / "proc")


def test_the_debian_package_installs_serves_upgrades_and_leaves_nothing(
    root: FreshRoot, package: Path, newer: Path
) -> None:
    root.dpkg("-i", package)
    enabled = {path.name for path in (root.path / "etc/systemd/system/multi-user.target.wants").iterdir()}
    assert enabled & {"cryptomapd.service", "cryptomap-helper.service"} == {"cryptomapd.service"}
    settings = root.path / "etc/cryptomap/cryptomapd.toml"
    settings.write_text(settings.read_text() + '\n[platform]\nproduct = "vpc-si"\n')
    make_key(root.path / "srv/key")
    options = ("--config", str(settings), "--state-dir", "/var/lib/cryptomap")
    daemon = Daemon(root.path / "srv", options, popen=root.popen)

    daemon.start()
    with daemon.connect() as session:
        session.edit_config(sample("seed.xml"), target="candidate")
        session.commit()
        committed = session.get_config("running").data_xml
    assert daemon.stop() == 0

    root.dpkg("-i", newer)
    assert 'product = "vpc-si"' in settings.read_text(), "the upgrade forgot what the operator had set"
    daemon.start()
    with daemon.connect() as session:
        assert session.get_config("running").data_xml == committed
    assert daemon.stop() == 0

    root.dpkg("--remove", "cryptomap")
    assert not (root.path / "usr/bin/cryptomapd").exists()
    assert settings.exists()
    root.dpkg("--purge", "cryptomap")
    assert [path for path in PURGED if (root.path / path).exists()] == []


def test_the_guide_can_be_typed_as_it_stands(root: FreshRoot, package: Path) -> None:
    shutil.copy(package, root.path / "root")
    shutil.copy(ROOT / "packaging/tests/systemctl", root.path / "usr/local/bin")
    blocks = re.findall(r"^```sh\n(.*?)^```$", (ROOT / "docs/guide.md").read_text(), re.MULTILINE | re.DOTALL)
    script = root.path / "root/guide"
    script.write_text("set -eux\ncd\n" + "\n".join(blocks))
    try:
        said = root.run("bash", "/root/guide")
    finally:
        root.run("systemctl", "stop")
    assert "expedited forwarding" in said
    assert "DSCP 0x2e" in said


def test_the_image_serves_as_its_own_user(package: Path, tmp_path: Path) -> None:
    run(ROOT / "packaging/fresh-root", tmp_path / "root")
    storage = {**os.environ, "STORAGE_DRIVER": "vfs"}
    base = run("buildah", "from", "scratch", env=storage).strip()
    run("buildah", "add", "--quiet", base, tmp_path / "root", "/", env=storage)
    run("buildah", "commit", "--quiet", "--rm", base, "localhost/cryptomap-base", env=storage)
    name = "localhost/cryptomap-test"
    run(ROOT / "packaging/build-image", package, name, env={**storage, "BASE": "localhost/cryptomap-base"})
    container = run("buildah", "from", name, env=storage).strip()
    serve = [
        "buildah",
        "run",
        "--isolation",
        "chroot",
        container,
        "--",
        "cryptomapd",
        "serve",
        "--listen",
        "127.0.0.1:0",
    ]
    with subprocess.Popen(serve, env=storage, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("cryptomapd ready ssh 127.0.0.1:")
        user = run("buildah", "run", "--isolation", "chroot", container, "--", "id", "--user", "--name", env=storage)
        process.terminate()
    assert user == "cryptomap\n"
    run("buildah", "rm", container, env=storage)
    run("buildah", "rmi", name, "localhost/cryptomap-base", env=storage)


def test_the_wheel_has_the_models_and_the_commands(tmp_path: Path) -> None:
    run(ROOT / "packaging/build-wheel", tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    models = {f"cryptomap/yang/{path.relative_to(ROOT / 'yang')}" for path in (ROOT / "yang").rglob("*.yang")}
    assert models <= set(names)
    run("python3", "-m", "venv", tmp_path / "env")
    run(tmp_path / "env/bin/python", "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", wheel)
    checked = run(tmp_path / "env/bin/cryptomapd", "check", ROOT / "samples/seed.xml", cwd=tmp_path)
    assert checked.endswith("seed.xml: valid\n")
