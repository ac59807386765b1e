"""A small virtual machine with Debian's own kernel, for what the kernel of the machine that tests lacks.

It sees the host's files (read-only, its writes vanish), so that programs and checkout are the same inside, or those
of another directory, with an init of its own. QEMU without KVM: some seconds to boot. Nothing leaves it: it has no
network device, only namespaces inside.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import shlex
import shutil
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from dataplane.vm import initrd

HERE = Path(__file__).parent
VIRTIOFSD = (Path("/usr/lib/qemu/virtiofsd"), Path("/usr/libexec/virtiofsd"))
KERNEL_VARIABLE = "CRYPTOMAP_VM_KERNEL"
KERNEL_CACHE = Path("/var/tmp/cryptomap-vm-kernel")
MEGABYTES = 1024
BOOT_PATIENCE = 90
AGENT = "/usr/bin/python3 -S /run/agent.py"


@dataclass(frozen=True, slots=True)
class Result:
    """How a command in the machine ended."""

    code: int
    out: str
    err: str


class GuestFault(Exception):
    """A command that should have succeeded did not, or the machine is gone."""


def kernel_tree() -> Path:
    """Where the kernel package is unpacked."""
    return Path(os.environ.get(KERNEL_VARIABLE) or KERNEL_CACHE)


def why_not() -> str | None:
    """Why no machine can be started here, ``None`` if one can."""
    if os.geteuid() != 0:
        return "needs root: the machine reads the files of the host"
    for program in ("qemu-system-x86_64", "busybox", "depmod", "tcpdump", "nft", "ip"):
        if not shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"):
            return f"{program} is not installed"
    if _virtiofsd() is None:
        return "virtiofsd is not installed"
    if not list(kernel_tree().glob("boot/vmlinuz-*")):
        return f"no kernel at {kernel_tree()}: run tests/dataplane/vm/fetch-kernel"
    return None


def _virtiofsd() -> Path | None:
    return next((path for path in VIRTIOFSD if path.exists()), None)


class Machine:
    """``run`` runs a command, ``forward`` makes a Unix socket inside reachable from outside. Thread-safe.

    ``root`` is the directory whose files it sees. ``first`` is the command of its first process: the agent, or an init
    that starts it (``AGENT``).
    """

    def __init__(self, directory: Path, root: Path = Path("/"), first: str = AGENT) -> None:
        self._directory, self._root = directory, root
        self._numbers = itertools.count(1)
        self._waiting: dict[int, SimpleQueue[Any]] = {}
        self._writing = threading.Lock()
        self._listeners: list[socket.socket] = []
        started = time.monotonic()
        initrd.write(kernel_tree(), HERE / "agent.py", first, directory / "initrd")
        self._files = self._start_files()
        self._qemu = self._start_qemu()
        self._port = self._connect()
        self._ready = threading.Event()
        threading.Thread(target=self._listen, name="vm-agent", daemon=True).start()
        if not self._ready.wait(BOOT_PATIENCE):
            self.stop()
            raise GuestFault(f"the machine did not boot: {self._console()}")
        self.boot_seconds = time.monotonic() - started

    def run(self, command: str, timeout: float = 60, check: bool = True) -> Result:
        """A bash command. Raises GuestFault if ``check`` and it fails."""
        number, answers = self._begin()
        self._tell(id=number, run=command, timeout=timeout)
        try:
            answer = answers.get(timeout=timeout + 20)
        except Empty as late:
            raise GuestFault(f"no answer to {command!r}: {self._console()}") from late
        finally:
            del self._waiting[number]
        result = Result(answer["rc"], answer["out"], answer["err"])
        if check and result.code:
            raise GuestFault(f"{command!r} ended with {result.code}: {result.err or result.out}")
        return result

    def start(self, command: list[str], ready: str | None = None, namespace: str = "") -> None:
        """A program that stays. With ``ready``, the path of a file, waits until that is there."""
        inside = f"ip netns exec {namespace} " if namespace else ""
        self.run(f"{inside}{shlex.join(command)} </dev/null >>/run/programs.log 2>&1 &")
        if ready:
            self.wait_for(ready)

    def wait_for(self, path: str) -> None:
        """Until that file is there. Raises GuestFault after half a minute, with what programs have printed."""
        self.run(f"for i in $(seq 300); do [ -e {path} ] && exit 0; sleep .1; done; cat /run/programs.log; exit 1", 120)

    def forward(self, inside: str) -> Path:
        """A socket here, each connection to which leads to the Unix socket of that path in the machine."""
        path = self._directory / f"forward-{len(self._listeners)}"
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        self._listeners.append(listener)
        threading.Thread(target=self._accept, args=(listener, inside), daemon=True).start()
        return path

    def stop(self) -> None:
        """Switch it off."""
        for listener in self._listeners:
            listener.close()
        try:
            self._tell(poweroff=True)
            self._qemu.wait(10)
        except (OSError, AttributeError, subprocess.TimeoutExpired):
            self._qemu.kill()
            self._qemu.wait()
        self._port.close()
        self._files.terminate()
        self._files.wait()

    # ===== starting =====

    def _start_files(self) -> subprocess.Popen[bytes]:
        path = self._directory / "files"
        options = f"source={self._root},cache=always,sandbox=chroot"
        command = [str(_virtiofsd()), f"--socket-path={path}", "-o", options]
        process = subprocess.Popen(command, stdout=self._log("files.log"), stderr=subprocess.STDOUT)
        _until(path.exists, "virtiofsd")
        return process

    def _start_qemu(self) -> subprocess.Popen[bytes]:
        directory = self._directory
        kernel = next(kernel_tree().glob("boot/vmlinuz-*"))
        line = "console=ttyS0 quiet panic=-1 tsc=reliable mitigations=off audit=0 nowatchdog random.trust_cpu=on"
        command = [
            *("qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", str(MEGABYTES)),
            *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
            *("-serial", f"file:{directory / 'console'}", "-kernel", str(kernel), "-initrd", str(directory / "initrd")),
            *("-append", line),
            *("-device", "virtio-serial-pci", "-device", "virtserialport,chardev=agent,name=agent"),
            *("-chardev", f"socket,id=agent,path={directory / 'agent'},server=on,wait=off"),
            *("-object", "rng-random,id=random,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=random"),
            *("-object", f"memory-backend-memfd,id=memory,size={MEGABYTES}M,share=on", "-numa", "node,memdev=memory"),
            *("-chardev", f"socket,id=files,path={directory / 'files'}"),
            *("-device", "vhost-user-fs-pci,chardev=files,tag=root"),
        ]
        log = self._log("qemu.log")
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)

    def _connect(self) -> socket.socket:
        port = socket.socket(socket.AF_UNIX)
        path = str(self._directory / "agent")
        _until(lambda: port.connect_ex(path) == 0, "QEMU")  # its path is there before somebody listens
        return port

    def _log(self, name: str) -> int:
        return os.open(self._directory / name, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _console(self) -> str:
        texts = [self._directory / name for name in ("qemu.log", "files.log", "console")]
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in texts if path.exists())

    # ===== talking =====

    def _begin(self) -> tuple[int, SimpleQueue[Any]]:
        number: int = next(self._numbers)
        answers: SimpleQueue[Any] = SimpleQueue()
        self._waiting[number] = answers
        return number, answers

    def _tell(self, **said: object) -> None:
        with self._writing:
            self._port.sendall(json.dumps(said).encode() + b"\n")

    def _listen(self) -> None:
        with self._port.makefile("rb") as lines:
            for line in lines:
                said = json.loads(line)
                if "ready" in said:
                    self._ready.set()
                elif said["id"] in self._waiting:
                    self._waiting[said["id"]].put(said)

    def _accept(self, listener: socket.socket, inside: str) -> None:
        while True:
            try:
                stream, _ = listener.accept()
            except OSError:
                return  # the machine is being stopped
            number, answers = self._begin()
            self._tell(id=number, connect=inside)
            threading.Thread(target=self._from_guest, args=(number, answers, stream), daemon=True).start()
            threading.Thread(target=self._to_guest, args=(number, stream), daemon=True).start()

    def _from_guest(self, number: int, answers: SimpleQueue[Any], stream: socket.socket) -> None:
        while "data" in (said := answers.get()):
            try:
                stream.sendall(base64.b64decode(said["data"]))
            except OSError:
                break
        del self._waiting[number]
        _shut(stream)

    def _to_guest(self, number: int, stream: socket.socket) -> None:
        try:
            while data := stream.recv(1 << 16):
                self._tell(id=number, data=base64.b64encode(data).decode())
        except OSError:
            pass
        try:
            self._tell(id=number, end=True)
        except OSError:
            return  # the machine is gone


def _shut(stream: socket.socket) -> None:
    with contextlib.suppress(OSError):
        stream.shutdown(socket.SHUT_RDWR)
    stream.close()


def _until(there: Any, what: str) -> None:
    for _ in range(500):
        if there():
            return
        time.sleep(0.02)
    raise GuestFault(f"{what} did not start")
