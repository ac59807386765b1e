"""cryptomapd, run so that a test sees how long its event loop keeps callbacks waiting.

On SIGUSR1 what was seen since the last time goes to the named pipe ``WATCH_PIPE`` as JSON, all in milliseconds:
``late``, by how much a timer was late, and ``busy``, how long the thread of the loop computed in one go. Where a
machine has other things to do the first says more about them, the second about the server.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from array import array
from pathlib import Path

from cryptomap.daemon import cli, daemon

EVERY = 0.005  # seconds
SHARES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}


class Watch:
    def __init__(self) -> None:
        self.late, self.busy = array("f"), array("f")

    async def run(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self.dump)
        while True:
            due, computed = time.monotonic() + EVERY, time.thread_time()
            await asyncio.sleep(EVERY)
            self.late.append(max(time.monotonic() - due, 0.0))
            self.busy.append(time.thread_time() - computed)

    def dump(self) -> None:
        seen = json.dumps({"late": shares(self.late), "busy": shares(self.busy)})
        Path(os.environ["WATCH_PIPE"]).write_text(seen)
        self.late, self.busy = array("f"), array("f")


def shares(seconds: array[float]) -> dict[str, float]:
    ordered = sorted(seconds)
    found = {name: ordered[min(int(share * len(ordered)), len(ordered) - 1)] for name, share in SHARES.items()}
    return {"count": len(ordered), **{name: round(1000 * value, 2) for name, value in found.items()}}


def start() -> asyncio.Event:
    watching.append(asyncio.create_task(Watch().run()))
    return stop_signal()


watching: list[asyncio.Task[None]] = []
stop_signal = daemon._stop_signal

if __name__ == "__main__":
    daemon._stop_signal = start
    cli.main(prog_name="cryptomapd")
