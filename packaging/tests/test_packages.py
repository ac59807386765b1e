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

import pytest

from support.fresh_root import FreshRoot, run
from support.server import ROOT, Daemon, make_key, sample

PURGED = (
    "usr/lib/cryptomap",
    "usr/bin/cryptomapd",
    "etc/cryptomap",
    "var/lib/cryptomap",
    "lib/systemd/system/cryptomapd.service",
)


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
