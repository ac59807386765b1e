"""Measured figures: repeated runs, median and spread, a table for people and JSON for machines."""

from __future__ import annotations

import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path


@dataclass
class Figure:
    """One measured step: its runs in ``unit``."""

    step: str
    count: int  # bundles in the configuration
    where: str  # "in-process", "ssh" or the name of a peer
    unit: str
    runs: list[float] = field(default_factory=list)
    note: str = ""

    @property
    def median(self) -> float:
        return statistics.median(self.runs)

    @property
    def spread(self) -> str:
        return f"{min(self.runs):.3g}..{max(self.runs):.3g}"


class Report:
    """Collects figures and prints each as it comes."""

    def __init__(self) -> None:
        self.figures: list[Figure] = []

    def add(self, figure: Figure) -> None:
        self.figures.append(figure)
        line = f"{figure.where:<11} N={figure.count:<7} {figure.step:<44} {figure.median:>10.3g} {figure.unit:<6}"
        print(f"{line} ({figure.spread}) {figure.note}".rstrip(), flush=True)

    def write(self, path: Path) -> None:
        rows = [{**asdict(figure), "median": figure.median} for figure in self.figures]
        path.write_text(json.dumps({"fsync_ms": fsync_time(), "figures": rows}, indent=1) + "\n")


def timed(run: Callable[[], object], repeat: int = 1) -> list[float]:
    """Seconds of wall time of each run."""
    runs = []
    for _ in range(repeat):
        begun = time.perf_counter()
        run()
        runs.append(time.perf_counter() - begun)
    return runs


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
