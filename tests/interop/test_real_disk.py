"""A state directory on a disk of its own that really is full, or that the kernel makes read-only: an ext4 in a file.

What was answered stays, what was refused is nowhere, reading goes on, and with room again so does writing. Takes root.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from support.server import SAMPLES, Daemon
from support.state import NS
from support.victim import LOST
from support.wire import Error, Wire, errors, session

SIZE = 24 << 20
ROUNDS = 400  # commits until a full disk must have been noticed: the log of the journal is reused meanwhile


class RealDisk:
    def __init__(self, image: Path, mounted: Path) -> None:
        self._image, self.path = image, mounted
        with image.open("wb") as file:
            file.truncate(SIZE)
        run("mkfs.ext4", "-q", "-m", "0", str(image))
        mounted.mkdir()

    def mount(self) -> None:
        run("mount", "-o", "loop", str(self._image), str(self.path))

    def unmount(self) -> None:
        run("umount", str(self.path))

    def fill(self) -> None:
        """To the last block."""
        with (self.path / "filler").open("ab", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue

    def make_room(self) -> None:
        (self.path / "filler").unlink()

    def remount(self, option: str) -> None:
        run("mount", "-o", f"remount,{option}", str(self.path))

    def mend(self) -> None:
        """What an operator does after ``fail``."""
        self.unmount()
        subprocess.run(["e2fsck", "-fy", str(self._image)], capture_output=True)  # 1: it has mended something
        self.mount()

    def fail(self) -> None:
        """As ext4 does when it finds its metadata damaged."""
        self.remount("abort")


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[RealDisk]:
    if os.geteuid() != 0:
        reason = "mounting a disk takes root"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    disk = RealDisk(tmp_path / "disk.img", tmp_path / "disk")
    disk.mount()
    yield disk
    disk.unmount()


@pytest.fixture
def server(disk: RealDisk, make_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    """Ended before its disk is unmounted."""
    options = ["--state-dir", str(disk.path / "state"), "--startup", str(SAMPLES / "seed.xml")]
    server: Daemon = make_daemon(options=options).start()
    yield server
    server.close()


@pytest.fixture
async def wire(server: Daemon) -> AsyncIterator[Wire]:
    with suppress(*LOST):  # of a server that was killed
        async with session(server) as wire:
            yield wire


def described(text: str) -> str:
    inner = f"<context><name>isp</name><description>{text}</description></context>"
    return f'<contexts xmlns="{NS["ctx"]}">{inner}</contexts>'


async def committed(wire: Wire, number: int) -> list[Error]:
    """Errors of a commit that says its number."""
    assert await wire.edit(described(f"number {number} " + "x" * 200)) == "<ok/>"
    reply = await wire.rpc("<commit/>")
    return [] if reply == "<ok/>" else errors(reply)


async def until_refused(wire: Wire) -> tuple[int, Error]:
    """(the last commit that was taken, why the next was not)."""
    for number in range(1, ROUNDS):
        if refusal := await committed(wire, number):
            return number - 1, refusal[0]
    raise AssertionError("the disk was never noticed")


async def test_a_full_disk(disk: RealDisk, server: Daemon, wire: Wire) -> None:
    assert await committed(wire, 0) == []
    disk.fill()
    last, error = await until_refused(wire)
    assert error.tag in ("operation-failed", "rollback-failed")
    assert "the journal can" in error.message, error
    assert "full" in error.message, error
    running = await wire.get_config()
    assert f"number {last} " in running
    await wire.do("<discard-changes/>")
    disk.make_room()
    assert await committed(wire, 1000) == []
    running = await wire.get_config()
    server.kill()
    server.start()
    async with session(server) as again:
        assert await again.get_config() == running


async def test_a_disk_that_turns_read_only(disk: RealDisk, server: Daemon, wire: Wire) -> None:
    """Mended by a check of the disk, which takes a restart."""
    assert await committed(wire, 0) == []
    disk.fail()
    last, error = await until_refused(wire)
    assert last == 0, "nothing can be stored any more"
    assert error.tag in ("operation-failed", "rollback-failed")
    assert "the journal can" in error.message, error
    running = await wire.get_config()
    assert "number 0 " in running
    server.kill()
    disk.mend()
    server.start()
    async with session(server) as again:
        assert await again.get_config() == running
        assert await committed(again, 1) == []


def running_of(server: Daemon) -> str:
    with server.connect() as session:
        return str(session.get_config("running").data_xml)


def test_a_start_on_a_read_only_disk_is_refused_in_one_line(disk: RealDisk, server: Daemon) -> None:
    running = running_of(server)
    server.stop()
    disk.remount("ro")
    refused = server.refused()
    assert refused.returncode != 0
    assert "Read-only file system" in refused.stderr
    assert str(disk.path) in refused.stderr
    assert "Traceback" not in refused.stderr
    disk.remount("rw")
    assert running_of(server.start()) == running


def test_a_start_on_a_full_disk_serves_what_was_committed(disk: RealDisk, server: Daemon) -> None:
    running = running_of(server)
    server.kill()
    disk.fill()
    assert running_of(server.start()) == running
    server.stop()
    disk.make_room()
    assert running_of(server.start()) == running
    assert "Traceback" not in server.log.read_text()


def test_so_does_one_after_an_orderly_end(disk: RealDisk, server: Daemon) -> None:
    """What SQLite shares memory by was removed then; room for it was kept."""
    running = running_of(server)
    for _ in range(2):
        server.stop()
        disk.fill()
        assert running_of(server.start()) == running
    assert "Traceback" not in server.log.read_text()


def test_a_start_without_any_room_says_so_and_sets_nothing_aside(disk: RealDisk, server: Daemon) -> None:
    """Somebody has taken what was kept."""
    running = running_of(server)
    server.stop()
    (disk.path / "state" / "reserve").unlink()
    disk.fill()
    refused = server.refused()
    assert refused.returncode != 0
    assert "the disk is full: make room" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert list((disk.path / "state").glob("*.damaged")) == []
    disk.make_room()
    assert running_of(server.start()) == running
