"""backup, restore and rotate-key as an operator types them, beside a server with tunnels up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cryptomap.datastore.secrets import KeyFile
from support.oracle import There
from support.server import SAMPLES, Daemon
from support.state import NS
from support.wire import session
from support.world import WorldProcess

DESCRIPTION = (
    f'<contexts xmlns="{NS["ctx"]}"><context><name>ipsec-d</name><description>%s</description></context></contexts>'
)


@pytest.fixture
def gateway() -> Iterator[WorldProcess]:
    world = WorldProcess(seed=1)
    yield world
    world.close()


@pytest.fixture
def seeded(daemon: Daemon, gateway: WorldProcess) -> Daemon:
    """A server with the seed's configuration."""
    daemon.settings = gateway.settings
    daemon.options = ["--startup", str(SAMPLES / "seed.xml")]
    return daemon.start()


def run(daemon: Daemon, command: str, *words: str) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-m", "cryptomap.daemon", command, "--state-dir", str(daemon.state), *words]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)


async def describe(daemon: Daemon, text: str) -> str:
    """A commit that no tunnel hears of; running after it."""
    async with session(daemon) as wire:
        assert await wire.edit(DESCRIPTION % text) == "<ok/>"
        await wire.do("<commit/>")
        return await wire.get_config()


async def test_backup_while_it_serves_and_restore(seeded: Daemon, gateway: WorldProcess, tmp_path: Path) -> None:
    file = tmp_path / "backup"
    running = await describe(seeded, "to be kept")
    done = run(seeded, "backup", "--with-keys", str(file))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{file}: the configuration after commit 2, and all commits before it\n"
    await describe(seeded, "to be forgotten")
    there = There.of(gateway)

    refused = run(seeded, "restore", str(file))
    assert refused.returncode == 2
    assert refused.stderr == f"cryptomapd: state directory {seeded.state}: in use by another process\n"

    seeded.stop()
    done = run(seeded, "restore", str(file))
    assert done.returncode == 0, done.stderr
    assert "the configuration after commit 2 is restored" in done.stdout
    seeded.start()
    async with session(seeded) as wire:
        assert await wire.get_config() == running
    assert There.of(gateway) == there


async def test_a_rotation_of_the_master_key_changes_no_tunnel(seeded: Daemon, gateway: WorldProcess) -> None:
    before = There.of(gateway)
    old = KeyFile.read(seeded.state / "secrets.key")
    refused = run(seeded, "rotate-key")
    assert (refused.returncode, "in use by another process" in refused.stderr) == (2, True)

    seeded.stop()
    done = run(seeded, "rotate-key")
    assert (done.returncode, done.stderr) == (0, "")
    assert "sealed with the new master key" in done.stdout
    new = KeyFile.read(seeded.state / "secrets.key")
    assert set(new.keys).isdisjoint(old.keys)

    log = len(seeded.log.read_text())
    seeded.start()
    assert There.of(gateway) == before
    assert "differed from running" not in seeded.log.read_text()[log:]
    await describe(seeded, "a commit after it")
    assert There.of(gateway) == before


def test_without_a_journal(tmp_path: Path) -> None:
    for command, words in (("backup", ["x"]), ("rotate-key", [])):
        done = run(Daemon(tmp_path), command, *words)
        assert done.returncode == 2
        assert "there is no journal" in done.stderr
