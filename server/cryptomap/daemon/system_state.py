"""system-state of ietf-system (RFC 7317): what machine this is, and what time it is there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Final

from cryptomap.data.build import build, date_and_time
from cryptomap.data.tree import Path, Value
from cryptomap.data.view import Provider
from cryptomap.schema.nodes import InnerNode, Schema

__all__ = ["providers"]

_STATE: Final = "/ietf-system:system-state"
_BOOT_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", None)  # Linux has one


def providers(schema: Schema, now: Callable[[], float] = time.time) -> Mapping[str, Provider]:
    """The state by schema path."""
    container = schema.find(_STATE)
    assert isinstance(container, InnerNode)
    names = os.uname()
    platform = {
        "os-name": names.sysname,
        "os-release": names.release,
        "os-version": names.version,
        "machine": names.machine,
    }

    def system_state(path: Path) -> Value | None:
        clock = {"current-datetime": date_and_time(now()), "boot-datetime": _booted(now())}
        return build(container, {"platform": platform, "clock": clock})

    return {_STATE: system_state}


def _booted(now: float) -> str | None:
    return None if _BOOT_CLOCK is None else date_and_time(now - time.clock_gettime(_BOOT_CLOCK))
