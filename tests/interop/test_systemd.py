"""The systemd units, judged by systemd; the server as a service: told ready, its key a credential, its user no root."""

from __future__ import annotations

import base64
import os
import pwd
import re
import shutil
import socket
import subprocess
from pathlib import Path

import pytest

from support.server import PATIENCE, ROOT, Daemon, require

UNITS = ROOT / "packaging" / "systemd"
EXPOSURE = {"cryptomapd.service": 1.7, "cryptomap-helper.service": 2.4}
"""What `systemd-analyze security` says of Debian 12, from 0 (safe) to 10; docs/security.md explains what is left."""


@pytest.mark.parametrize("unit", EXPOSURE)
def test_the_exposure_of_a_unit(unit: str) -> None:
    analyze = require("systemd-analyze")
    command = [analyze, "security", "--offline=true", str(UNITS / unit)]
    report = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE).stdout
    found = re.search(r"Overall exposure level for \S+ ([\d.]+)", report)
    assert found is not None, report
    assert float(found[1]) <= EXPOSURE[unit]
    assert f"{unit}` {EXPOSURE[unit]}" in (ROOT / "docs" / "security.md").read_text()


def test_the_server_needs_no_capability_but_one() -> None:
    text = (UNITS / "cryptomapd.service").read_text()
    assert "CapabilityBoundingSet=CAP_NET_BIND_SERVICE\n" in text
    assert "User=cryptomap\n" in text
    assert "NoNewPrivileges=yes\n" in text
    assert "LimitCORE=0\n" in text


def test_systemd_is_told_when_the_server_serves_and_when_it_stops(daemon: Daemon, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE)
        daemon.launch(environment={"NOTIFY_SOCKET": str(tmp_path / "notify")})
        daemon.ready()
        assert manager.recv(1000).startswith(b"READY=1\nSTATUS=serving ssh 127.0.0.1:")
        daemon.stop()
        assert manager.recv(1000) == b"STOPPING=1"


def test_the_key_of_the_secrets_may_be_a_credential(daemon: Daemon, tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    key = credentials / "secrets.key"
    key.write_bytes(base64.b64encode(bytes(range(64))) + b"\n")
    key.chmod(0o440)  # as systemd's access list makes it look
    daemon.launch(environment={"CREDENTIALS_DIRECTORY": str(credentials)})
    daemon.ready()
    daemon.stop()
    assert not (daemon.state / "secrets.key").exists()
    refused = daemon.refused()  # without the credential nothing could be opened
    assert refused.returncode == 2
    assert "secrets.key" in refused.stderr


def test_the_server_runs_as_a_user_without_privileges(tmp_path: Path) -> None:
    """As nobody: it serves, and all it has written is its own."""
    if os.geteuid() != 0:
        pytest.skip("only root can start a process as another user")
    setpriv = require("setpriv")
    base = Path("/tmp") / f"cryptomap-nobody-{os.getpid()}"
    user = pwd.getpwnam("nobody")
    server = Daemon(base, program=())
    base.mkdir(mode=0o700)
    try:
        command = server.command()
        drop = [
            setpriv,
            "--reuid=nobody",
            "--clear-groups",
            f"--regid={user.pw_gid}",
            "--no-new-privs",
            "--inh-caps=-all",
        ]
        shutil.chown(base, "nobody")
        for path in base.iterdir():
            shutil.chown(path, "nobody")
        if subprocess.run([*drop, command[0], "-c", ""], cwd="/", capture_output=True).returncode:
            pytest.skip("this checkout is in a directory that only root may enter")
        process = subprocess.Popen(
            [*drop, command[0], "-m", "cryptomap.daemon", *command[1:]], stdout=subprocess.PIPE, text=True, cwd="/"
        )
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.readline().startswith("cryptomapd ready ssh")
            status = Path(f"/proc/{process.pid}/status").read_text()
            assert re.search(r"^CapEff:\s0+$", status, re.MULTILINE)
            process.terminate()
            assert process.wait(PATIENCE) == 0
        owners = {path.stat().st_uid for path in server.state.rglob("*")}
        assert owners == {user.pw_uid}
    finally:
        shutil.rmtree(base)
