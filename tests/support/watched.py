"""cryptomapd, run so that a test sees how long its event loop keeps callbacks waiting.

On SIGUSR1 what was seen since the last time goes to the named pipe ``WATCH_PIPE`` as JSON, all in milliseconds:
``late``, by how much a timer was late, and ``callback``, how long one callback computed. Where a machine has other
things to do the first says more about them, the second about the server: while it computes nobody else is served.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from asyncio.events import Handle
from collections import Counter
from pathlib import Path

from cryptomap.daemon import cli, daemon

EVERY = 0.005  # seconds
PER_SECOND = 10_000  # times are counted in tenths of a millisecond, so that watching takes no memory
SHARES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}


class Watch:
    def __init__(self) -> None:
        self.late: Counter[int] = Counter()
        self.callback: Counter[int] = Counter()

    async def run(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self.dump)
        self._time_callbacks()
        while True:
            due = time.monotonic() + EVERY
            await asyncio.sleep(EVERY)
            self.late[round(PER_SECOND * max(time.monotonic() - due, 0.0))] += 1

    def dump(self) -> None:
        seen = json.dumps({"late": shares(self.late), "callback": shares(self.callback)})
        Path(os.environ["WATCH_PIPE"]).write_text(seen)
        self.late.clear()
        self.callback.clear()

    def _time_callbacks(self) -> None:
        run = Handle._run

        def timed(handle: Handle) -> None:
            begun = time.thread_time()
            run(handle)
            self.callback[round(PER_SECOND * (time.thread_time() - begun))] += 1

        Handle._run = timed  # type: ignore[method-assign]


def shares(counted: Counter[int]) -> dict[str, float]:
    """The time that a share of all did not exceed."""
    found: dict[str, float] = {"count": counted.total()}
    for name, share in SHARES.items():
        left = share * counted.total()
        for size in sorted(counted):
            left -= counted[size]
            if left <= 0:
                found[name] = 1000 * size / PER_SECOND
                break
    return found


def start() -> asyncio.Event:
    watching.append(asyncio.create_task(Watch().run()))
    return stop_signal()


watching: list[asyncio.Task[None]] = []
stop_signal = daemon._stop_signal

if __name__ == "__main__":
    daemon._stop_signal = start
    cli.main(prog_name="cryptomapd")
