"""The state of all connections, fed by charon's reports and events; what it leads to, as events and jobs.

Feeding is idempotent, so a full list and the events that overlap with it may come in any order. Nothing here talks to
charon: :mod:`.listener` feeds, :mod:`.keeper` does the jobs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from heapq import heappop, heappush
from typing import Any

from cryptomap_backend.intent import ResponderId, Tunnel, TunnelId
from cryptomap_backend.simulator.events import EventQueue
from cryptomap_backend.state import Event, EventKind, ResponderState, TunnelState
from cryptomap_backend.strongswan.jobs import Close, Initiate, Job, Look
from cryptomap_backend.strongswan.messages import Connection
from cryptomap_backend.strongswan.records import ChildRecord, IkeRecord, children_of
from cryptomap_backend.strongswan.tracked import Tracked
from cryptomap_backend.strongswan.wording import Cause, cause_of

__all__ = ["EVENTS", "Monitor"]

EVENTS = ("ike-updown", "child-updown", "ike-rekey", "child-rekey", "log")

GIVE_UP_AFTER = 240.0
"""Seconds after which a negotiation without a set-up timer counts as failed, whatever charon still does."""

REKEYS = "N(REKEY_SA)"
"""What charon's log says of a request that replaces a child SA (RFC 7296 section 1.3.3)."""

UNTOLD = Cause("the negotiation failed; charon's log has the details", refused=False)

Clock = Callable[[], float]


class Monitor:
    """Thread-safe. ``retry`` are the shortest and the longest pause in seconds between two attempts."""

    def __init__(self, queue: EventQueue, retry: tuple[float, float] = (1.0, 60.0), clock: Clock = time.time) -> None:
        self._queue = queue
        self._retry = retry
        self._clock = clock
        self._lock = threading.RLock()
        self._tracked: dict[str, Tracked] = {}
        self._names: dict[TunnelId | ResponderId, str] = {}
        self._dirty: set[str] = set()
        self._due: list[tuple[float, str]] = []
        self._looks: set[str] = set()
        self.changed = threading.Condition(self._lock)

    # ===== what is wanted =====

    def hold(self, connection: Connection, renegotiate: bool = False, fresh: bool = True) -> None:
        """From now on this is what the intent asks of that connection. ``renegotiate``: negotiate it now, although it
        otherwise waits for traffic. Not ``fresh``: it may have SAs already, so nothing is begun before a resync."""
        with self._lock:
            tracked = self._tracked.get(connection.name)
            if tracked is None:
                tracked = self._tracked[connection.name] = Tracked(connection, known=fresh)
                self._names[connection.item] = connection.name
            else:
                self._announce_marking(tracked, connection)
                tracked.change(connection)
            tracked.renegotiate = renegotiate and connection.reachable
            self._touch(connection.name)

    def release(self, name: str, reason: str) -> None:
        """Nothing is asked of that connection any more; it is as good as gone."""
        with self._lock:
            tracked = self._tracked.pop(name, None)
            if tracked is None:
                return
            self._names.pop(tracked.connection.item, None)
            for uid in tracked.announced:
                remote = tracked.ikes.get(uid)
                self._down(tracked, uid, reason, remote)

    def closing(self, name: str, reason: str) -> None:
        """We are about to close that connection's SAs, and why."""
        with self._lock:
            tracked = self._tracked.get(name)
            if tracked is not None and (tracked.ikes or tracked.attempts):
                tracked.closing = reason

    # ===== what is =====

    def live(self, item: TunnelId | ResponderId) -> int:
        """How many child SAs of a tunnel are established and as asked for, or of a responder's sessions in all."""
        with self._lock:
            name = self._names.get(item)
            if name is None:
                return 0
            tracked = self._tracked[name]
            return len(tracked.shown if isinstance(item, TunnelId) else tracked.live)

    def is_up(self, name: str) -> bool:
        """True if a connection has a live child, whatever it was negotiated with."""
        with self._lock:
            tracked = self._tracked.get(name)
            return tracked is not None and bool(tracked.live)

    def name(self, item: TunnelId) -> str | None:
        """The name of the connection of a tunnel that is held."""
        with self._lock:
            return self._names.get(item)

    def tunnels(self, only: TunnelId | None = None) -> dict[TunnelId, TunnelState]:
        with self._lock:
            return {
                item: self._tracked[name].tunnel_state()
                for item, name in self._chosen(only)
                if isinstance(item, TunnelId)
            }

    def responders(self) -> dict[ResponderId, ResponderState]:
        with self._lock:
            return {
                item: self._tracked[name].responder_state()
                for item, name in self._names.items()
                if isinstance(item, ResponderId)
            }

    def _chosen(self, only: TunnelId | None) -> Iterable[tuple[TunnelId | ResponderId, str]]:
        if only is None:
            return self._names.items()
        return [(only, self._names[only])] if only in self._names else []

    # ===== reports =====

    def resync(self, reports: Iterable[Mapping[str, Any]]) -> None:
        """All SAs there are: what is not among them is gone."""
        now = self._clock()
        found: dict[str, list[Mapping[str, Any]]] = {}
        for message in reports:
            for name, report in message.items():
                found.setdefault(name, []).append(report)
        with self._lock:
            for name, tracked in self._tracked.items():
                tracked.replace(found.get(name, []), now)
                self._settle(tracked, "the IKE daemon no longer has it")

    def refresh(self, reports: Iterable[Mapping[str, Any]]) -> None:
        """A look at SAs for the counters of those that are known. It may be older than the last event, so it neither
        adds nor removes any."""
        now = self._clock()
        with self._lock:
            for message in reports:
                for name, report in message.items():
                    tracked = self._tracked.get(name)
                    for child in children_of(report, now) if tracked else ():
                        assert tracked is not None
                        known = tracked.children.get(child.uid)
                        if known is not None and known.same_sa(child) and known.live:
                            tracked.put_child(child)

    # ===== events =====

    def heard(self, event: str, message: Mapping[str, Any]) -> None:
        """One event of charon. Of connections that are not held nothing is taken in."""
        with self._lock:
            if event == "log":
                self._log(message)
                return
            up = message.get("up") == "yes"
            for name, report in message.items():
                tracked = self._tracked.get(name) if isinstance(report, Mapping) else None
                if tracked is not None:
                    self._event(tracked, event, up, report)

    def _event(self, tracked: Tracked, event: str, up: bool, report: Mapping[str, Any]) -> None:
        now = self._clock()
        if event == "ike-updown":
            self._ike_updown(tracked, up, report, now)
        elif event == "ike-rekey":
            self._ike_rekey(tracked, report, now)
        elif event == "child-rekey":
            self._child_rekey(tracked, report, now)
        elif event == "child-updown":
            self._child_updown(tracked, up, report, now)

    def _ike_updown(self, tracked: Tracked, up: bool, report: Mapping[str, Any], now: float) -> None:
        record = IkeRecord.of(report, now)
        if up:
            tracked.put_ike(record)
            return
        cause = tracked.causes.pop(record.uid, None)
        known = tracked.ikes.get(record.uid)
        tracked.drop_ike(record.uid)
        if not tracked.closing and (cause or record.state == "CONNECTING"):
            self._fail(tracked, cause or UNTOLD)
        self._settle(tracked, cause.text if cause else "closed by the peer", known or record)

    def _child_updown(self, tracked: Tracked, up: bool, report: Mapping[str, Any], now: float) -> None:
        tracked.put_ike(IkeRecord.of(report, now))
        for child in children_of(report, now):
            if up:
                tracked.put_child(child)
                tracked.attempts.pop(child.name.payload, None)
            elif child.uid in tracked.children:
                tracked.put_child(child)
                tracked.drop_child(child.uid)
        self._settle(tracked, "the child SA was deleted")

    def _child_rekey(self, tracked: Tracked, report: Mapping[str, Any], now: float) -> None:
        ike = IkeRecord.of(report, now)
        tracked.put_ike(ike)
        for pair in report.get("child-sas", {}).values():
            old, new = (ChildRecord.of(pair.get(key, {}), ike.uid, now) for key in ("old", "new"))
            if old is not None and new is not None:
                if old.uid in tracked.children:
                    tracked.put_child(old)
                    tracked.drop_child(old.uid)
                tracked.put_child(new)
                self._publish(EventKind.CHILD_REKEYED, tracked, "child SA rekeyed", ike)
        self._settle(tracked, "rekeyed")

    def _ike_rekey(self, tracked: Tracked, report: Mapping[str, Any], now: float) -> None:
        old, new = (IkeRecord.of(report[key], now) for key in ("old", "new"))
        tracked.put_ike(new)
        tracked.move_children(old.uid, new.uid)
        tracked.ikes.pop(old.uid, None)
        tracked.announced = frozenset(new.uid if uid == old.uid else uid for uid in tracked.announced)
        self._publish(EventKind.IKE_REKEYED, tracked, "IKE SA rekeyed", new)

    def _log(self, message: Mapping[str, Any]) -> None:
        tracked, text = self._tracked.get(message.get("ikesa-name", "")), message.get("msg", "")
        if tracked is not None and REKEYS in text:
            self._looks.add(tracked.connection.name)
            self.changed.notify_all()
        cause = cause_of(text) if tracked else None
        if tracked is None or cause is None:
            return
        uid = int(message.get("ikesa-uniqueid", 0))
        if cause.final:
            tracked.drop_ike(uid)
            self._fail(tracked, tracked.causes.pop(uid, cause))
            return
        tracked.causes[uid] = cause
        if tracked.last_error == UNTOLD.text:
            tracked.last_error = cause.text
        if cause.child:
            self._fail(tracked, cause)

    # ===== what follows =====

    def _settle(self, tracked: Tracked, reason: str, ike: IkeRecord | None = None) -> None:
        """Announce what came up or went, and have the keeper look."""
        sessions = tracked.sessions
        if tracked.current:
            tracked.last_error, tracked.refused, tracked.failures = None, False, 0
        if isinstance(tracked.connection.source, Tunnel):
            self._settle_tunnel(tracked, sessions, reason, ike)
        else:
            for uid in sessions - tracked.announced:
                self._publish(EventKind.SESSION_UP, tracked, "negotiated", tracked.ikes.get(uid))
            for uid in tracked.announced - sessions:
                self._down(tracked, uid, tracked.closing or reason, ike)
        tracked.announced = sessions
        if not tracked.ikes:
            tracked.closing = None
            tracked.causes.clear()
        self._touch(tracked.connection.name)

    def _settle_tunnel(self, tracked: Tracked, sessions: frozenset[int], reason: str, ike: IkeRecord | None) -> None:
        if sessions and not tracked.announced:
            self._publish(EventKind.TUNNEL_UP, tracked, "negotiated", tracked.ikes.get(min(sessions)))
        elif tracked.announced and not sessions:
            self._publish(EventKind.TUNNEL_DOWN, tracked, tracked.closing or reason, ike)
            tracked.next_try = max(tracked.next_try, self._clock() + self._pause(0))

    def _down(self, tracked: Tracked, uid: int, reason: str, ike: IkeRecord | None) -> None:
        tunnel = isinstance(tracked.connection.source, Tunnel)
        if tunnel and uid != min(tracked.announced):
            return  # a tunnel is announced once, however many IKE SAs it had
        kind = EventKind.TUNNEL_DOWN if tunnel else EventKind.SESSION_DOWN
        self._publish(kind, tracked, reason, ike or tracked.ikes.get(uid))

    def _fail(self, tracked: Tracked, cause: Cause) -> None:
        """A negotiation failed. Tried again later, ever less often, if it is to be kept up."""
        tracked.attempts.clear()
        tracked.last_error = cause.text
        tracked.refused = cause.refused
        tracked.next_try = self._clock() + self._pause(tracked.failures)
        tracked.failures += 1
        self._publish(EventKind.TUNNEL_ERROR, tracked, cause.text)
        self._touch(tracked.connection.name)

    def _pause(self, failures: int) -> float:
        shortest, longest = self._retry
        return min(shortest * float(1 << min(failures, 10)), longest)

    def _announce_marking(self, tracked: Tracked, connection: Connection) -> None:
        old, new = tracked.connection.source, connection.source
        if not (isinstance(old, Tunnel) and isinstance(new, Tunnel)):
            return
        if new.applied != old.applied:
            self._publish(EventKind.REAPPLIED, tracked, "the map was put on its interface again")
        elif new.reapply_pending and not old.reapply_pending:
            self._publish(EventKind.REAPPLY_NEEDED, tracked, "the configured DSCP differs from the applied one")

    def _publish(self, kind: EventKind, tracked: Tracked, reason: str, ike: IkeRecord | None = None) -> None:
        source = tracked.connection.source
        tunnel = source.id if isinstance(source, Tunnel) else None
        if tunnel is None and kind is EventKind.TUNNEL_ERROR:
            return
        responder = None if isinstance(source, Tunnel) else source.id
        remote = ike.remote if ike else source.remote if isinstance(source, Tunnel) else None
        self._queue.publish([Event(kind, self._clock(), tunnel, responder, reason, source.local, remote)])

    # ===== jobs =====

    def _touch(self, name: str) -> None:
        self._dirty.add(name)
        self.changed.notify_all()

    def jobs(self) -> tuple[list[Job], float | None]:
        """What is to be done now, and in how many seconds to ask again at the latest (``None``: when something
        changes). Costs what has changed or come due. An attempt counts as begun when it is handed out."""
        with self._lock:
            now = self._clock()
            while self._due and self._due[0][0] <= now:
                self._dirty.add(heappop(self._due)[1])
            names, self._dirty = sorted(self._dirty), set()
            jobs: list[Job] = [Look(name) for name in sorted(self._looks)]
            self._looks.clear()
            jobs += [job for name in names if name in self._tracked for job in self._jobs_of(self._tracked[name], now)]
            for name in names:
                again = self._again(self._tracked[name]) if name in self._tracked else None
                if again is not None:
                    heappush(self._due, (again, name))
            return jobs, max(self._due[0][0] - now, 0.0) if self._due else None

    def undone(self, job: Initiate) -> None:
        """charon was not there to begin it: to be handed out again soon."""
        with self._lock:
            if tracked := self._tracked.get(job.connection):
                tracked.attempts.clear()
                tracked.next_try = self._clock() + self._pause(0)
                self._touch(job.connection)

    def failed(self, job: Initiate, text: str) -> None:
        """charon would not even begin."""
        with self._lock:
            if tracked := self._tracked.get(job.connection):
                self._fail(tracked, Cause(text, refused=False))

    def _jobs_of(self, tracked: Tracked, now: float) -> Iterator[Job]:
        if not tracked.known or not isinstance(tracked.connection.source, Tunnel):
            return
        yield from self._overdue(tracked, now)
        missing = tracked.missing
        for child in tracked.stale:
            if child.name.payload not in missing or tracked.refused:
                yield from self._retire(tracked, child)
        yield from self._remarked(tracked, now)
        for child in tracked.duplicates:
            yield self._closed(tracked, child)
        if not self._wanted(tracked) or now < tracked.next_try:
            return
        for payload in missing:
            if payload not in tracked.attempts:
                tracked.attempts[payload] = now
                yield Initiate(tracked.connection.name, str(tracked.connection.children[payload]))
        tracked.renegotiate = False

    def _remarked(self, tracked: Tracked, now: float) -> Iterator[Job]:
        """A child that marks with another DSCP than its transform set says is negotiated once more by the right
        configuration, and goes when that is up."""
        shown = tracked.shown
        for child in tracked.current:
            better = tracked.better(child)
            if better is not None and child not in shown:
                yield from self._retire(tracked, child)
            elif better is not None and child.name.payload not in tracked.attempts and now >= tracked.next_try:
                tracked.attempts[child.name.payload] = now
                yield Initiate(tracked.connection.name, str(better))

    def _retire(self, tracked: Tracked, child: ChildRecord) -> Iterator[Job]:
        """A stale child goes; an IKE SA that has only such goes whole."""
        if not tracked.refused:
            self._publish(EventKind.CHILD_REKEYED, tracked, "child SA renegotiated", tracked.ikes.get(child.ike))
        else:
            tracked.closing = "the peer refused to renegotiate"
        yield self._closed(tracked, child)

    @staticmethod
    def _closed(tracked: Tracked, child: ChildRecord) -> Close:
        """To close a child, with its IKE SA if that has no other."""
        shared = any(other.ike == child.ike and other.uid != child.uid for other in tracked.current)
        tracked.drop_child(child.uid)
        return Close(None, child.uid) if shared else Close(child.ike)

    def _wanted(self, tracked: Tracked) -> bool:
        connection = tracked.connection
        return connection.reachable and (connection.initiates or tracked.renegotiate or bool(tracked.stale))

    def _overdue(self, tracked: Tracked, now: float) -> Iterator[Job]:
        limit = self._limit(tracked)
        if not any(now - begun >= limit for begun in tracked.attempts.values()):
            return
        connecting = [uid for uid, ike in tracked.ikes.items() if not ike.live]
        tracked.closing = "not negotiated in time" if connecting else None
        for uid in connecting:
            yield Close(uid, forced=True)
        self._fail(tracked, Cause(f"not negotiated within {limit:g} s", refused=False))

    def _again(self, tracked: Tracked) -> float | None:
        """When to look at a connection again, ``None`` when only an event can change what is to be done."""
        if not tracked.known or not isinstance(tracked.connection.source, Tunnel):
            return None
        limit = self._limit(tracked)
        times = [begun + limit for begun in tracked.attempts.values()]
        waiting = {child.name.payload for child in tracked.shown if tracked.better(child) is not None}
        waiting.update(tracked.missing if self._wanted(tracked) else ())
        if waiting - tracked.attempts.keys():
            times.append(tracked.next_try)
        return min(times, default=None)

    @staticmethod
    def _limit(tracked: Tracked) -> float:
        source = tracked.connection.source
        return source.ike.setup_timer or GIVE_UP_AFTER if source.ike else GIVE_UP_AFTER
