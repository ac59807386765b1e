"""Measured figures: repeated runs, median and spread, a table for people and JSON for machines."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from itertools import groupby
from pathlib import Path

from bench.targets import target


@dataclass
class Figure:
    """One measured step: its runs in ``unit``; none if the step could not be done, which ``note`` explains."""

    step: str
    count: int  # bundles in the configuration
    where: str  # "in-process", "ssh" or the name of a peer
    unit: str
    runs: list[float] = field(default_factory=list)
    note: str = ""
    cpu: float | None = None  # what a run took of the server's processor time, on average, in the same unit

    @property
    def median(self) -> float | None:
        return statistics.median(self.runs) if self.runs else None

    @property
    def spread(self) -> str:
        return f"{min(self.runs):.3g}..{max(self.runs):.3g}" if len(self.runs) > 1 else ""

    def line(self) -> str:
        median = f"{self.median:.3g}" if self.median is not None else "-"
        wanted = target(self.step, self.where, self.count)
        cpu = f"{self.cpu:.3g}" if self.cpu is not None else ""
        return (
            f"{self.where:<10} {self.count:>7}  {self.step:<38} {median:>9} {self.unit:<5} {self.spread:<18} {cpu:<7}"
            f"{wanted:<11} {self.note}"
        ).rstrip()


class Report:
    """Collects figures and prints each as it comes."""

    def __init__(self, about: dict[str, str]) -> None:
        self.about = about
        self.figures: list[Figure] = []
        for name, text in about.items():
            print(f"{name}: {text}")
        print(
            f"\n{'where':<10} {'N':>7}  {'step':<38} {'median':>9} {'unit':<5} {'spread':<16} {'target':<11}",
            flush=True,
        )

    def add(self, figure: Figure) -> None:
        self.figures.append(figure)
        print(figure.line(), flush=True)

    def summary(self) -> None:
        """How each step grows with the configuration, and how it compares with a peer's."""
        print("\ngrowth, T(largest N) / T(smallest N):")
        for line in self._growth():
            print(f"  {line}")
        for line in self._against_peers():
            print(line)

    def _growth(self) -> Iterator[str]:
        timed_steps = sorted([item for item in self.figures if item.unit == "ms" and item.median], key=_series)
        for (where, step), group in groupby(timed_steps, key=_series):
            of = sorted(group, key=lambda item: item.count)
            first, last = of[0].median, of[-1].median
            if len(of) > 1 and first and last:
                is_flat = " (target <= 1.3)" if "commit" in step and where in ("in-process", "ssh") else ""
                best = min(of[-1].runs) / min(of[0].runs)
                ratios = f"{last / first:.2f} (of the best runs {best:.2f})"
                yield f"{where:<10} {step:<38} {ratios} for {of[0].count} -> {of[-1].count}{is_flat}"

    def _against_peers(self) -> Iterator[str]:
        ours = {(item.step, item.count): item for item in self.figures if item.where == "cryptomap"}
        peers = [item for item in self.figures if item.where not in ("in-process", "ssh", "cryptomap")]
        if peers:
            yield "\nthe same steps on both, cryptomap better by (above 1) or worse by (below 1):"
        for peer in peers:
            own = ours.get((peer.step, peer.count))
            if own is None or not own.median or not peer.median:
                yield f"  {peer.count:>7}  {peer.step:<38} no ratio: {peer.where} {peer.note or 'has no figure'}"
                continue
            is_rate = peer.unit.endswith("/s")
            ratio = own.median / peer.median if is_rate else peer.median / own.median
            both = f"({own.median:.3g} against {peer.median:.3g} {peer.unit})"
            yield f"  {peer.count:>7}  {peer.step:<38} {ratio:>7.2f}  {both}"

    def write(self, path: Path) -> None:
        rows = [
            {**asdict(figure), "median": figure.median, "target": target(figure.step, figure.where, figure.count)}
            for figure in self.figures
        ]
        path.write_text(json.dumps({"about": self.about, "figures": rows}, indent=1) + "\n")


def _series(figure: Figure) -> tuple[str, str]:
    return figure.where, figure.step


def timed(run: Callable[[], object], repeat: int = 1) -> list[float]:
    """Seconds of wall time of each run."""
    runs = []
    for _ in range(repeat):
        begun = time.perf_counter()
        run()
        runs.append(time.perf_counter() - begun)
    return runs


def processor_time(process: int | str) -> float:
    """Seconds that a process has run. On a machine that others use as well, this is what to compare."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def settle(process: int | str, patience: float = 300.0) -> None:
    """Wait until a process has nothing more to do: the checkpoint of a bulk load is written in the background, and what
    comes after should be measured by itself."""
    end = time.monotonic() + patience
    before, now = -1.0, processor_time(process)
    while now - before > 0.02 and time.monotonic() < end:
        time.sleep(0.5)
        before, now = now, processor_time(process)


def milliseconds(runs: list[float]) -> list[float]:
    return [seconds * 1000 for seconds in runs]


def fsync_time() -> float:
    """Milliseconds of a bare 4 KiB write with fdatasync on this disk, median of 50."""
    with tempfile.NamedTemporaryFile() as file:

        def write() -> None:
            file.write(b"x" * 4096)
            file.flush()
            os.fdatasync(file.fileno())

        return statistics.median(milliseconds(timed(write, 50)))


def resident(process: int | str = "self") -> tuple[float, float]:
    """(resident, peak) memory of a process in MB."""
    text = Path(f"/proc/{process}/status").read_text()
    values = dict(line.split(":", 1) for line in text.splitlines() if line.startswith(("VmRSS", "VmHWM")))
    return int(values["VmRSS"].split()[0]) / 1024, int(values["VmHWM"].split()[0]) / 1024
