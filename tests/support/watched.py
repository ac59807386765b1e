"""cryptomapd, run so that a test sees how long its event loop keeps callbacks waiting, and what held it.

On SIGUSR1 what was seen since the last time goes to the named pipe ``WATCH_PIPE`` as JSON, all in milliseconds:

* ``late``: by how much a timer was late, which is what any client has to wait before the server turns to it;
* ``blocked``: the same without the time in which the machine ran somebody else instead of the loop's thread, and not
  more than the process computed meanwhile: what remains is the server's own doing, also on a machine that has other
  things to do;
* ``callback``: how long one callback computed;
* ``collection``: how long one garbage collection computed;
* ``stacks``: where the threads were, the loop's first, when the loop had been blocked for :data:`TOO_LONG`; the most
  frequent ones. After a call of C that kept the interpreter all the while, the thread that made it is still there.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import sys
import threading
import time
from asyncio.events import Handle
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

from cryptomap.daemon import cli, daemon

EVERY = 0.005  # seconds
TOO_LONG = 0.05
PER_SECOND = 10_000  # times are counted in tenths of a millisecond, so that watching takes no memory
SHARES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
FRAMES = 4  # of each stack
STACKS = 12
IDLE = (
    "threading.py",
    "socketserver",
    "writer.py",
    "futures/thread.py",
    "supervised.py",
    "turns.py",
)  # where threads wait for work


class Watch:
    def __init__(self) -> None:
        self.seen: dict[str, Counter[int]] = {name: Counter() for name in ("late", "blocked", "callback", "collection")}
        self.stacks: Counter[str] = Counter()
        self._due = time.monotonic()
        self._loop = threading.get_ident()
        self._schedule = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")

    async def run(self) -> None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, self.dump)
        self._time_callbacks()
        self._time_collections()
        threading.Thread(target=self._look, name="watch", daemon=True).start()
        while True:
            waited, computed, self._due = self._waited(), time.process_time(), time.monotonic() + EVERY
            await asyncio.sleep(EVERY)
            late = max(time.monotonic() - self._due, 0.0)
            own = min(late - (self._waited() - waited), time.process_time() - computed)
            self._note("late", late)
            self._note("blocked", max(own, 0.0))

    def dump(self) -> None:
        stacks = [f"{count} times\n{text}" for text, count in self.stacks.most_common(STACKS)]
        seen: dict[str, Any] = {name: shares(counted) for name, counted in self.seen.items()}
        Path(os.environ["WATCH_PIPE"]).write_text(json.dumps({**seen, "stacks": stacks}))
        for counted in (*self.seen.values(), self.stacks):
            counted.clear()

    def _note(self, name: str, seconds: float) -> None:
        self.seen[name][round(PER_SECOND * seconds)] += 1

    def _waited(self) -> float:
        """Seconds in which the loop's thread could have run, but the machine ran something else."""
        try:
            return int(self._schedule.read_text().split()[1]) / 1e9
        except OSError:  # not Linux
            return 0.0

    def _look(self) -> None:
        """Take the stacks once for each time the loop is late."""
        taken = 0.0
        while True:
            time.sleep(TOO_LONG / 5)
            due = self._due
            if due != taken and time.monotonic() > due + TOO_LONG:
                taken = due
                frames = sys._current_frames()
                loop = frames.pop(self._loop)
                frames.pop(threading.get_ident())
                self.stacks["\n".join([shown(loop), *sorted(filter(None, map(shown, frames.values())))])] += 1

    def _time_callbacks(self) -> None:
        run = Handle._run

        def timed(handle: Handle) -> None:
            begun = time.thread_time()
            run(handle)
            self._note("callback", time.thread_time() - begun)

        Handle._run = timed  # type: ignore[method-assign]

    def _time_collections(self) -> None:
        begun = 0.0

        def timed(phase: str, facts: dict[str, int]) -> None:
            nonlocal begun
            if phase == "start":
                begun = time.thread_time()
            else:
                self._note("collection", time.thread_time() - begun)

        gc.callbacks.append(timed)


def shown(frame: FrameType | None) -> str:
    """The innermost frames of a thread; nothing if it waits for work."""
    lines: list[str] = []
    while frame is not None and len(lines) < FRAMES:
        path = Path(frame.f_code.co_filename)
        lines.append(f"{path.parent.name}/{path.name}:{frame.f_lineno} {frame.f_code.co_name}")
        frame = frame.f_back
    return "" if any(idle in lines[0] for idle in IDLE) else " < ".join(lines)


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
