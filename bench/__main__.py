"""``make bench``: what each step costs at growing sizes.

    make bench                                   # 100, 1,000 and 10,000 bundles, in-process and over SSH
    make bench BENCH="--sizes 100,100000 --only ssh --json figures.json"

Timings are never asserted; the tests count work instead. Quote medians and ratios: machines are noisy.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bench.report import Report, fsync_time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="100,1000,10000", help="bundles, comma-separated")
    parser.add_argument("--only", choices=("in-process", "ssh"))
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    sizes = [int(size) for size in options.sizes.split(",")]
    print(f"bare 4 KiB write + fdatasync: {fsync_time():.3g} ms", flush=True)
    report = Report()
    for size in sizes:
        with tempfile.TemporaryDirectory(prefix="cryptomap-bench-") as directory:
            if options.only != "ssh":
                from bench import inprocess

                inprocess.measure(report, size, Path(directory, "in-process"))
            if options.only != "in-process":
                from bench import overssh

                overssh.measure(report, size, Path(directory))
    if options.json:
        report.write(options.json)


if __name__ == "__main__":
    main()
