"""A peer beside us: Debian's netconfd (yuma123) behind OpenSSH, with the neutral module, in the same run."""

from __future__ import annotations

import asyncio
import getpass
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncssh

from bench import overssh
from bench.neutral import NEUTRAL
from bench.report import Figure, Report
from bench.steps import Place, Steps

YANG = Path(__file__).parent / "yang"
NETCONFD, SUBSYSTEM, SSHD = "/usr/sbin/netconfd", "/usr/sbin/netconf-subsystem", "/usr/sbin/sshd"
SAVED = "startup-cfg.xml"


def measure(report: Report, count: int, directory: Path) -> None:
    """The neutral workload on both: first on cryptomap, then on the peer."""
    for program in (NETCONFD, SUBSYSTEM, SSHD):
        if not Path(program).exists():
            raise SystemExit(f"--peer yuma123 needs {program}: apt-get install netconfd openssh-server")
    ours, theirs = directory / "cryptomap", directory / "yuma123"
    ours.mkdir()
    theirs.mkdir()
    overssh.measure(report, count, ours, "cryptomap", NEUTRAL, ("--yang-dir", str(YANG)), repeat=10)
    with _netconfd(theirs) as place:
        asyncio.run(Steps(report, place, NEUTRAL, count, repeat=10).measure())
    begun = time.perf_counter()
    with _netconfd(theirs) as place:
        asyncio.run(_greet(place))
        took = time.perf_counter() - begun
    report.add(Figure("start to ready, configuration on disk", count, "yuma123", "s", [took]))


async def _greet(place: Place) -> None:
    client = await place.connect()
    await client.abandon()


@contextmanager
def _netconfd(directory: Path) -> Iterator[Place]:
    """netconfd, and an sshd that runs as whoever runs this and lets in only that user."""
    key = directory / "key"
    if not key.exists():
        new = asyncssh.generate_private_key("ssh-ed25519")
        new.write_private_key(str(key))
        key.chmod(0o600)
        new.write_public_key(str(directory / "authorized_keys"))
    port, listening = _unused_port(), directory / "ncx.sock"
    (directory / "sshd_config").write_text(f"""
ListenAddress 127.0.0.1:{port}
HostKey {key}
PidFile none
AuthorizedKeysFile {directory}/authorized_keys
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
PermitRootLogin yes
Subsystem netconf "{SUBSYSTEM} --ncxserver-sockname={port}@{listening}"
""")
    saved = directory / SAVED  # it starts from this, and writes it at each commit
    if not saved.exists():
        saved.write_text('<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"/>')
    arguments = [
        NETCONFD,
        f"--startup={saved}",
        f"--superuser={getpass.getuser()}",
        "--access-control=off",
        f"--modpath={YANG}:/usr/share/yuma/modules:/usr/share/yang/modules",
        "--module=bench-tunnels",
        f"--ncxserver-sockname={listening}",
        f"--port={port}",
        "--log-level=error",
    ]
    home = {**os.environ, "HOME": str(directory)}
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (directory / "log").open("a") as log:
        server = subprocess.Popen(arguments, stdout=log, stderr=log, env=home, cwd=directory)
        sshd = subprocess.Popen([SSHD, "-D", "-e", "-f", str(directory / "sshd_config")], stderr=log)
    try:
        _wait_for(server, listening, port)
        yield Place("yuma123", "127.0.0.1", port, getpass.getuser(), key, server.pid)
    finally:
        for process in (sshd, server):
            process.terminate()
        for process in (sshd, server):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        listening.unlink(missing_ok=True)


def _unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _wait_for(server: subprocess.Popen[bytes], listening: Path, port: int) -> None:
    while server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            time.sleep(0.01)
            continue
        if listening.exists():
            return
        time.sleep(0.01)
    raise SystemExit("netconfd did not start")
