"""``make bench``: what each step costs at growing sizes.

    make bench                                   # 100, 1,000 and 10,000 bundles, in-process and over SSH
    make bench BENCH="--sizes 100,100000 --only ssh --json figures.json"
    make bench BENCH="--sizes 100,1000 --peer yuma123"

Timings are never asserted; the tests count work instead. Quote medians and ratios: machines are noisy.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from pathlib import Path

from bench.neutral import NEUTRAL
from bench.report import Report, fsync_time
from bench.workload import OURS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="100,1000,10000", help="bundles, comma-separated")
    parser.add_argument("--only", choices=("in-process", "ssh", "peer"))
    parser.add_argument("--peer", choices=("yuma123",), help="run the same steps on this server, with a neutral module")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="write the figures here")
    options = parser.parse_args()
    about = {
        "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
        "disk": f"{fsync_time():.3g} ms for a bare 4 KiB write + fdatasync (the targets assume 0.5)",
        "bundle": OURS.size,
    }
    if options.peer:
        about["bundle of the comparison"] = NEUTRAL.size
    report = Report(about)
    for size in [int(size) for size in options.sizes.split(",")]:
        with tempfile.TemporaryDirectory(prefix="cryptomap-bench-") as directory:
            _measure(report, size, Path(directory), options.only, options.peer)
    report.summary()
    report.write(options.json)


def _measure(report: Report, size: int, directory: Path, only: str | None, peer: str | None) -> None:
    # Imported here: what is not measured is not in the memory that is.
    if only in (None, "in-process"):
        from bench import inprocess

        inprocess.measure(report, size, directory / "in-process")
    if only in (None, "ssh"):
        from bench import overssh

        overssh.measure(report, size, directory)
    if peer:
        from bench import peer as other

        other.measure(report, size, directory)


if __name__ == "__main__":
    main()
