"""A tiny initial RAM file system: busybox, the modules that reach the host's files, and a script that goes there."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

MODULES = ("virtio_pci", "virtio_console", "virtio_rng", "virtiofs", "overlay")
DIRECTORIES = ("bin", "proc", "sys", "dev", "modules", "host", "writes", "root")
DIRECTORY, PROGRAM, FILE = 0o040755, 0o100755, 0o100644

INIT = """#!/bin/busybox sh
B=/bin/busybox
$B mount -t proc proc /proc; $B mount -t sysfs sys /sys; $B mount -t devtmpfs dev /dev
for module in /modules/*; do $B insmod $module || echo cannot load $module; done
$B mount -t virtiofs -o ro root /host || exec $B sh
$B mount -t tmpfs writes /writes; $B mkdir /writes/upper /writes/work
$B mount -t overlay -o lowerdir=/host,upperdir=/writes/upper,workdir=/writes/work root /root || exec $B sh
$B mount -t tmpfs run /root/run
$B mkdir -p /root/lib/modules /root/run/netns
[ ! -e /host{kernel} ] || $B mount --bind /host{kernel}/lib/modules /root/lib/modules
for place in proc sys dev; do $B mount --move /$place /root/$place; done
$B mkdir -p /root/dev/pts /root/run/cryptomap
$B cat /agent.py > /root/run/agent.py
exec $B switch_root /root {first}
"""


def build(kernel: Path, agent: Path, first: str, busybox: Path = Path("/bin/busybox")) -> bytes:
    """The archive for an unpacked kernel package; ``first`` is the command of the first process. Makes the list
    of module dependencies if it is not there."""
    modules = next((kernel / "lib/modules").iterdir())
    if not (modules / "modules.dep").exists():
        subprocess.run(["/sbin/depmod", "-b", str(kernel), modules.name], check=True)
    archive = b"".join(_entry(name, DIRECTORY) for name in DIRECTORIES)
    archive += _entry("bin/busybox", PROGRAM, busybox.read_bytes())
    for number, path in enumerate(_needed(modules)):
        archive += _entry(f"modules/{number:02}-{path.name}", FILE, path.read_bytes())
    archive += _entry("agent.py", FILE, agent.read_bytes())
    archive += _entry("init", PROGRAM, INIT.format(kernel=kernel.resolve(), first=first).encode())
    return archive + _entry("TRAILER!!!", 0)


def _needed(modules: Path) -> Iterator[Path]:
    """The modules with what they depend on, in the order of loading."""
    dependencies: dict[str, tuple[str, list[str]]] = {}
    for line in (modules / "modules.dep").read_text().splitlines():
        path, _, needs = line.partition(":")
        dependencies[Path(path).name.split(".")[0].replace("-", "_")] = path, needs.split()
    seen: Mapping[str, None] = dict.fromkeys(
        path
        for name in MODULES
        if name in dependencies
        for path in (*reversed(dependencies[name][1]), dependencies[name][0])
    )
    return (modules / path for path in seen)


def _entry(name: str, mode: int, content: bytes = b"") -> bytes:
    """One file of a cpio archive, format "newc"."""
    fields = (0, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    header = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
    return _padded(header) + _padded(content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def write(kernel: Path, agent: Path, first: str, target: Path) -> None:
    target.write_bytes(build(kernel, agent, first))
    os.chmod(target, 0o600)
