"""The simulator as a backend: the contract on top of a world, here or in another process."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Mapping
from secrets import token_hex
from typing import TypeVar

from cryptomap_backend.capabilities import Capabilities
from cryptomap_backend.change import Change, between, drift_of
from cryptomap_backend.contract import Lane, OutcomeUnknown, Unavailable
from cryptomap_backend.intent import Intent, ResponderId, TunnelId
from cryptomap_backend.judge import judge
from cryptomap_backend.plan import Plan, make_plan
from cryptomap_backend.simulator.faults import Hang
from cryptomap_backend.simulator.remote import RemoteWorld
from cryptomap_backend.simulator.settings import Settings
from cryptomap_backend.simulator.world import Clock, World
from cryptomap_backend.state import Drift, Event, EventKind, Health, Observation

__all__ = ["SimulatorBackend", "create"]

Answer = TypeVar("Answer")


class SimulatorBackend:
    """See :class:`~cryptomap_backend.contract.Backend`. ``world`` is for tests and demonstrations: it sends packets,
    changes peers, sets faults, lets time pass."""

    name = "simulator"

    def __init__(self, world: World | RemoteWorld) -> None:
        self.world = world
        self._tokens = map(f"{token_hex(4)}-{{}}".format, itertools.count(1))
        self._interrupted = {lane: threading.Event() for lane in Lane}
        self._closed = threading.Event()
        self._capabilities: Capabilities | None = None
        self._lost = False

    def capabilities(self) -> Capabilities:
        capabilities = self._read("capabilities", self.world.capabilities)
        self._capabilities = capabilities
        return capabilities

    def prepare(self, change: Change) -> Plan:
        warnings = judge(change, self._capabilities or self.capabilities())
        items: list[TunnelId | ResponderId] = [item.some.id for item in change.tunnels]
        items += [item.some.id for item in change.responders]
        live = self._guarded(Lane.COMMANDS, "prepare", lambda: self.world.live(items), Unavailable)
        return make_plan(change, lambda item: live.get(item, 0), next(self._tokens), warnings)

    def apply(self, plan: Plan) -> None:
        self._command("apply", lambda: self.world.apply(plan.token, plan.steps))

    def revert(self, plan: Plan) -> None:
        self._command("revert", lambda: self.world.revert(plan.token, plan.inverse_steps()))

    def observe(self, only: TunnelId | None = None) -> Observation:
        return self._read("observe", lambda: self.world.observe(only))

    def events(self, wait: float = 0.0) -> tuple[Event, ...]:
        try:
            events = self.world.events(wait)
        except Unavailable as fault:
            if self._lost:
                self._closed.wait(wait)  # nothing to hear: do not spin
                return ()
            self._lost = True
            return (Event(EventKind.BACKEND_LOST, time.time(), reason=str(fault)),)
        if not self._lost:
            return events
        self._lost = False
        return (Event(EventKind.BACKEND_BACK, time.time(), reason="connected again"), *events)

    def reconcile(self, intent: Intent) -> Drift:
        held = self._command("reconcile", self.world.held)
        change = between(held, intent)
        drift = drift_of(change)
        if not change.is_empty:
            plan = make_plan(change, lambda tunnel: 0, next(self._tokens))
            self._command("reconcile", lambda: self.world.apply(plan.token, plan.steps, "reconcile"))
        return drift

    def health(self) -> Health:
        try:
            return self._read("health", self.world.health)
        except Unavailable as fault:
            return Health(False, {}, str(fault))

    def interrupt(self, lane: Lane) -> None:
        self._interrupted[lane].set()
        if isinstance(self.world, RemoteWorld):
            self.world.break_off(lane is Lane.COMMANDS)

    def close(self) -> None:
        self._closed.set()
        for interrupted in self._interrupted.values():
            interrupted.set()
        if isinstance(self.world, RemoteWorld):
            self.world.close()

    def _read(self, verb: str, call: Callable[[], Answer]) -> Answer:
        return self._guarded(Lane.READS, verb, call, Unavailable)

    def _command(self, verb: str, call: Callable[[], Answer]) -> Answer:
        return self._guarded(Lane.COMMANDS, verb, call, OutcomeUnknown)

    def _guarded(
        self, lane: Lane, verb: str, call: Callable[[], Answer], broken: type[Unavailable] | type[OutcomeUnknown]
    ) -> Answer:
        """The call; one that is told to hang does so until it is broken off."""
        try:
            return call()
        except Hang:
            self._interrupted[lane].wait()
            self._interrupted[lane].clear()
            raise broken(f"{verb} was broken off before the simulated gateway answered") from None


def create(settings: Mapping[str, object], clock: Clock = time.time) -> SimulatorBackend:
    """The factory. ``socket`` in the settings names a world of its own process, whose settings count then. Raises
    SettingsFault."""
    parsed = Settings.of(settings)
    return SimulatorBackend(RemoteWorld(parsed.socket) if parsed.socket else World(parsed, clock))
