"""``python -m fuzz TARGET [SECONDS]`` in ``tests``: coverage-guided, with atheris, from the corpus on.

What it finds new is kept below ``.fuzz/TARGET``; an input that makes the target raise is written there too, as
``crash-...``, and ends the run with exit code 77.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["cryptomap", "cryptomap_backend", "pyang"]):
    from fuzz.targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"


def main(name: str, seconds: str = "60") -> None:
    found = Path(".fuzz", name)
    found.mkdir(parents=True, exist_ok=True)
    options = [
        f"-max_total_time={seconds}",
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-max_len=4096",
        "-print_final_stats=1",
    ]
    target = TARGETS[name]

    def once(data: bytes) -> None:
        target(data)

    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={found}/", str(found), str(CORPUS / name)], once)
    atheris.Fuzz()


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 3 or sys.argv[1] not in TARGETS:
        sys.exit(f"usage: python -m fuzz {{{','.join(TARGETS)}}} [SECONDS]")
    main(*sys.argv[1:])
