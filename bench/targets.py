"""What is asked of cryptomap, step by step: printed beside each figure, asserted nowhere."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["target"]

BULK = "bulk load, one edit-config + commit"
RESTART = "start to ready, configuration on disk"
RSS = "resident memory"

TARGETS: Mapping[str, Mapping[str, str]] = {
    "edit one DSCP leaf + commit": {"in-process": "<= 3 ms", "ssh": "<= 10 ms"},
    "add one bundle + commit": {"in-process": "<= 4 ms"},
    "refused: dangling reference": {"in-process": "<= 3 ms"},
    "refused: must across lists": {"in-process": "<= 3 ms"},
    "full get-config, warm": {"in-process": ">= 300 MB/s", "ssh": ">= 80 MB/s"},
    "full get-config, first byte": {"ssh": "< 20 ms"},
    "one map by key": {"in-process": "<= 1 ms", "ssh": "<= 1 ms"},
    "small reads, one session": {"ssh": ">= 1000/s"},
    "small reads, eight sessions": {"ssh": ">= 2000/s"},
}
AT_SIZE: Mapping[tuple[str, int], str] = {
    (BULK, 10_000): "<= 1.5 s",
    (BULK, 100_000): "<= 15 s",
    (RESTART, 10_000): "<= 1.0 s",
    (RESTART, 100_000): "<= 6 s",
    (RSS, 100_000): "<= 1024 MB",
    (f"{RSS}, XML cache warm", 100_000): "<= 1331 MB",
}


def target(step: str, where: str, count: int) -> str:
    """What is asked of a step, or nothing. Peers are asked nothing."""
    if where not in ("in-process", "ssh"):
        return ""
    return TARGETS.get(step, {}).get(where) or AT_SIZE.get((step, count), "")
