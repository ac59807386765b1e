"""The first process of the virtual machine: runs commands and forwards connections for the tests outside.

One JSON object per line over the virtio port "agent". ``{"id", "run", "timeout"}`` is answered by ``{"id", "rc", "out",
"err"}``; ``{"id", "connect"}`` opens a Unix socket of the machine, whose bytes then go both ways as ``{"id", "data"}``
until ``{"id", "end"}``. Standard library only, because it runs with the host's Python without site packages.
"""

from __future__ import annotations

import base64
import contextlib
import glob
import json
import os
import socket
import subprocess
import threading
import time
from pathlib import Path

SETUP = """
mount -t devpts pts /dev/pts
ln -s /proc/self/fd /dev/fd; ln -s /proc/self/fd/0 /dev/stdin
ln -s /proc/self/fd/1 /dev/stdout; ln -s /proc/self/fd/2 /dev/stderr
ip link set lo up
hostname vm
echo /sbin/modprobe > /proc/sys/kernel/modprobe
"""
ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}


def port() -> int:
    """The virtio port, as soon as it is there."""
    while True:
        for name in glob.glob("/sys/class/virtio-ports/*/name"):
            device = f"/dev/{name.split('/')[-2]}"
            if Path(name).read_text().strip() == "agent" and os.path.exists(device):
                return os.open(device, os.O_RDWR)
        time.sleep(0.01)


class Agent:
    def __init__(self) -> None:
        self.port = port()
        self.writing = threading.Lock()
        self.streams: dict[int, socket.socket] = {}

    def tell(self, **answer: object) -> None:
        data = json.dumps(answer).encode() + b"\n"
        with self.writing:
            while data:
                data = data[os.write(self.port, data) :]

    def serve(self) -> None:
        self.tell(ready=True)
        rest = b""
        while True:
            data = os.read(self.port, 1 << 16)
            if not data:
                time.sleep(0.02)  # nobody holds the other end
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self.hear(json.loads(line))

    def hear(self, said: dict) -> None:
        if "run" in said:
            threading.Thread(target=self.run, args=(said["id"], said["run"], said["timeout"]), daemon=True).start()
        elif "connect" in said:
            self.connect(said["id"], said["connect"])
        elif "data" in said and said["id"] in self.streams:
            try:
                self.streams[said["id"]].sendall(base64.b64decode(said["data"]))
            except OSError:
                self.end(said["id"])
        elif "end" in said:
            self.end(said["id"])
        elif "poweroff" in said:
            Path("/proc/sysrq-trigger").write_text("o")

    def run(self, number: int, command: str, timeout: float) -> None:
        try:
            done = subprocess.run(
                ["bash", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False
            )
            code, out, err = done.returncode, done.stdout, done.stderr
        except subprocess.TimeoutExpired as late:
            code, out, err = 124, late.stdout or b"", late.stderr or b""
        self.tell(id=number, rc=code, out=out.decode(errors="replace"), err=err.decode(errors="replace"))

    def connect(self, number: int, path: str) -> None:
        stream = socket.socket(socket.AF_UNIX)
        try:
            stream.connect(path)
        except OSError:
            stream.close()
            self.tell(id=number, end=True)
            return
        self.streams[number] = stream
        threading.Thread(target=self.pump, args=(number, stream), daemon=True).start()

    def pump(self, number: int, stream: socket.socket) -> None:
        try:
            while data := stream.recv(1 << 16):
                self.tell(id=number, data=base64.b64encode(data).decode())
        except OSError:
            pass
        self.tell(id=number, end=True)
        self.end(number)

    def end(self, number: int) -> None:
        stream = self.streams.pop(number, None)
        if stream:
            with contextlib.suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)
            stream.close()


if __name__ == "__main__":
    os.environ.clear()
    os.environ.update(ENVIRONMENT)
    subprocess.run(["sh", "-c", SETUP], stderr=subprocess.DEVNULL, check=False)
    Agent().serve()
