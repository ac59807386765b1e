"""Drift: what the backend shows of its world, compared now and then with what running asks for.

Comparing needs no lock: what seems to differ may be a commit that is just being made, so that only what differs once
more between two commits, on the writer's thread, counts.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeAlias, TypeVar

from cryptomap.data.build import Plain, build, date_and_time
from cryptomap.data.tree import Node
from cryptomap.datastore.clock import Clock
from cryptomap.schema.nodes import Schema
from cryptomap_backend.contract import Backend, BackendError
from cryptomap_backend.intent import Applied, Intent, ResponderId, Tunnel, TunnelId
from cryptomap_backend.state import Observation, TunnelState

__all__ = ["KINDS", "MARKING", "Difference", "DriftWatch", "Repair", "differences"]

log = logging.getLogger(__name__)

Item: TypeAlias = TunnelId | ResponderId | None
"""``None`` stands for the QoS maps."""

Repair: TypeAlias = Callable[[str], None]
"""Has the backend brought to running; says why. For the writer's thread."""

T = TypeVar("T")


class OnWriter(Protocol):
    """Runs a function on the writer's thread, between commits, and waits for its answer."""

    def __call__(self, function: Callable[[], T], /) -> T: ...


KINDS: Final = ("missing", "unexpected", "different")
MARKING: Final[Item] = None
MAX_NAMED = 100
NOTIFICATION = "{urn:cryptomap:yang:cryptomap-platform}backend-drift"


@dataclass(frozen=True, slots=True)
class Difference:
    """``kind`` is one of :data:`KINDS`, ``detail`` a sentence for an operator."""

    kind: str
    detail: str


Differences: TypeAlias = Mapping[Item, Difference]


def differences(intent: Intent, seen: Observation) -> dict[Item, Difference]:
    """How an observation of everything differs from an intent. What could not be read is not judged."""
    found: dict[Item, Difference] = {
        item: Difference("different", detail)
        for item, state in seen.tunnels.items()
        if (tunnel := intent.tunnels.get(item)) is not None and (detail := _wrong(tunnel, state))
    }
    found |= _unexpected(seen.tunnels.keys() - intent.tunnels.keys())
    found |= _unexpected(seen.responders.keys() - intent.responders.keys())
    if seen.complete:
        found |= _missing(item for item in intent.tunnels if item not in seen.tunnels)
        found |= _missing(item for item in intent.responders if item not in seen.responders)
        if seen.l2 != intent.l2:
            found[MARKING] = Difference("different", "the QoS maps are not what running asks for")
    return found


def _unexpected(items: Iterable[Item]) -> dict[Item, Difference]:
    return dict.fromkeys(items, Difference("unexpected", "nothing in running asks for it"))


def _missing(items: Iterable[Item]) -> dict[Item, Difference]:
    return dict.fromkeys(items, Difference("missing", "the backend does not show it"))


def _wrong(tunnel: Tunnel, state: TunnelState) -> str | None:
    if dict(state.applied) == dict(tunnel.applied):
        return None
    return state.last_error or f"{_said(state.applied)} instead of {_said(tunnel.applied)}"


def _said(applied: Applied) -> str:
    words = [f"{name} with {'no DSCP' if dscp is None else f'DSCP {dscp}'}" for name, dscp in applied]
    return ", ".join(words) or "nothing is marked"


class DriftWatch:
    """``look`` runs on a thread of its own; the rest is for any thread."""

    def __init__(self, schema: Schema, backend: Backend, intent: Callable[[], Intent], clock: Clock) -> None:
        self._notification = schema.notifications[NOTIFICATION]
        self._backend = backend
        self._intent = intent
        self._clock = clock
        self._last_check: float | None = None
        self._last_repair: tuple[float, str] | None = None
        self._found: dict[Item, tuple[Difference, float]] = {}

    def look(self, on_writer: OnWriter, repair: Repair | None, notify: Callable[[Node], None]) -> None:
        """Compare once, tell what is new, and have it repaired if that is wanted."""
        found = self._compared()
        if found:
            found = on_writer(self._compared)
        self._enter(found, notify)
        if found and repair is not None:
            on_writer(partial(self._repaired, repair, found))
            self._enter(on_writer(self._compared), notify)

    def _compared(self) -> Differences | None:
        """``None`` if the backend does not answer, which its health tells."""
        try:
            return differences(self._intent(), self._backend.observe())
        except BackendError:
            return None

    def _repaired(self, repair: Repair, found: Differences) -> None:
        repair(f"it drifted from running: {_counted(found)}")

    def _enter(self, found: Differences | None, notify: Callable[[Node], None]) -> None:
        if found is None:
            return
        before, now = self._found, self._clock.time()
        self._found = {
            item: (difference, before[item][1] if item in before else now) for item, difference in found.items()
        }
        self._last_check = now
        if found == {item: difference for item, (difference, _) in before.items()}:
            return
        if found:
            log.warning("backend %s differs from running: %s", self._backend.name, _counted(found))
            notify(self._told("found", _counted(found), self._shown()))
        else:
            log.info("backend %s is as running asks again", self._backend.name)
            notify(self._told("cleared", None, {}))

    def repaired(self, how: str, notify: Callable[[Node], None]) -> None:
        """A reconcile has mended something."""
        self._last_repair = self._clock.time(), how
        notify(self._told("repaired", how, {}))

    # ===== for those who look =====

    def state(self) -> Plain:
        """The content of the container ``drift``."""
        time, how = self._last_repair or (None, None)
        return {
            "last-check": date_and_time(self._last_check),
            "last-repair": date_and_time(time),
            "last-repair-detail": how,
            **self._shown(),
        }

    def counts(self) -> dict[str, int]:
        """How many differ in each way: :data:`KINDS`, and ``marking``."""
        found = self._found
        counted = Counter(difference.kind for item, (difference, _) in found.items() if item is not MARKING)
        return {**{kind: counted[kind] for kind in KINDS}, "marking": int(MARKING in found)}

    def _shown(self) -> Plain:
        found = self._found
        items = [item for item in found if item is not MARKING]
        return {
            "objects": len(items) or None,
            "marking": MARKING in found,
            "tunnel": list(_entries(found, sorted(item for item in items if isinstance(item, TunnelId)))),
            "service": list(_entries(found, sorted(item for item in items if isinstance(item, ResponderId)))),
        }

    def _told(self, state: str, detail: str | None, content: Plain) -> Node:
        return build(self._notification, {"state": state, "detail": detail, **content})


def _entries(
    found: Mapping[Item, tuple[Difference, float]], items: Sequence[TunnelId] | Sequence[ResponderId]
) -> Iterator[Plain]:
    for item in items[:MAX_NAMED]:
        difference, since = found[item]
        yield {
            **_names(item),
            "difference": difference.kind,
            "detail": difference.detail,
            "since": date_and_time(since),
        }


def _names(item: TunnelId | ResponderId) -> Plain:
    if isinstance(item, TunnelId):
        return {"context": item.context, "crypto-map": item.crypto_map, "interface": item.interface}
    return {"context": item.context, "name": item.service}


def _counted(found: Differences) -> str:
    kinds = Counter(difference.kind for item, difference in found.items() if item is not MARKING)
    parts = [f"{kinds[kind]} {kind}" for kind in KINDS if kinds[kind]]
    return ", ".join([*parts, "the QoS maps"] if MARKING in found else parts)
