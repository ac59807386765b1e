"""YANG-Push (RFC 8641): a datastore, or what a filter selects of it, sent again and again or when it changes.

What is selected is worked out on a thread, at most once at a time for a subscription: a large datastore delays nobody.
An on-change subscription remembers what it has sent and reports the difference, so changes that come while it is busy
are reported together. While it is dampened it looks at each change, for what has changed back is told as well.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from cryptomap.data.build import Plain, build, date_and_time, seconds_of
from cryptomap.data.tree import AnyValue, Node
from cryptomap.data.view import View, materialize
from cryptomap.data.xml import WriteOptions, write
from cryptomap.errors import RpcError
from cryptomap.operations.access import Hide, Reader
from cryptomap.operations.call import Call
from cryptomap.operations.nmda import datastore_name, view_of
from cryptomap.operations.notifications.churn import Seen
from cryptomap.operations.notifications.refusals import YP, refusal
from cryptomap.operations.notifications.selection import DATASTORE, Selection
from cryptomap.operations.notifications.subscriptions import Dynamic
from cryptomap.operations.patch import Edits
from cryptomap.operations.sift import unannounced_hidden
from cryptomap.operations.timers import Cancel
from cryptomap.operations.visible import visible

__all__ = ["OnChange", "Periodic"]

log = logging.getLogger(__name__)

SHORTEST_PERIOD: Final = 10
"""Centiseconds."""

RETRY: Final = 10.0
"""Seconds after which state that could not be had is asked for again."""

SUBSCRIBABLE: Final = ("running", "intended", "operational")


@dataclass(frozen=True, slots=True)
class Content:
    """What is selected; ``is_incomplete`` if the device did not tell all of its state."""

    root: Node
    is_incomplete: bool = False


class Push(Dynamic):
    """What both kinds share."""

    kind = DATASTORE

    def __init__(self, call: Call, given: Node) -> None:
        super().__init__(call, given)
        self.datastore = datastore_name(given, f"{YP}:datastore")
        if self.datastore not in SUBSCRIBABLE:
            message = f"{self.datastore} cannot be subscribed to, but {', '.join(SUBSCRIBABLE)} can"
            raise refusal("datastore-not-subscribable", message)
        self._sent = 0
        self._work: asyncio.Task[None] | None = None
        self._due: Cancel | None = None

    def begin(self) -> None:
        super().begin()
        self.stop_at(self.until)

    def end(self) -> None:
        super().end()
        self._undo_due()
        if self._work is not None:
            self._work.cancel()

    def select(self, selection: Selection) -> None:
        self.selection = selection

    def amend(self, given: Node) -> None:
        asked = datastore_name(given, f"{YP}:datastore")
        if asked and asked != self.datastore:
            raise refusal("datastore-not-subscribable", f"the subscription is to {self.datastore} and stays so")

    def policy(self) -> Plain:
        return {**self.common_policy(), f"{YP}:datastore": f"ietf-datastores:{self.datastore}"}

    @property
    def counts(self) -> tuple[int, int]:
        return self._sent, 0

    # ===== content =====

    def hide(self, reader: Reader) -> Hide | None:
        """What the filter must not find."""
        return None if self.selection.is_everything else reader.hide

    async def selected(self) -> Content:
        """What is to be told of the datastore now."""
        return await self.select_now(self.hide(self.server.access.reader(self.session.user)))

    async def select_now(self, hide: Hide | None) -> Content:
        """What the filter selects, on a thread."""
        reader = self.server.access.reader(self.session.user)
        view = view_of(self.server, self.datastore, reader, hide, defaults=self.datastore == "operational")
        return await self.server.aside.run(self._settled, view)

    def _settled(self, view: View) -> Content:
        schema = self.server.schema
        found = self.selection.of(schema, view, self.server.limits.xpath_nodes)
        root = Node.empty(schema.root) if found is None else materialize(found)
        return Content(root, is_incomplete=bool(view.faults))

    async def push_update(self, content: Content) -> None:
        """Send all that is selected (section 3.7)."""
        value = await self.server.aside.run(self._contents, content.root)
        self.report("push-update", {"datastore-contents": value, **_flag(content)})

    def _contents(self, content: Node) -> AnyValue:
        reader = self.server.access.reader(self.session.user)
        schema = self.server.schema
        namespace = schema.namespace_of_module[YP].encode()
        xml = b"".join(write(schema, content, WriteOptions(hide=reader.hide)))
        return AnyValue(b'<datastore-contents xmlns="%b">%b</datastore-contents>' % (namespace, xml))

    def report(self, name: str, content: Plain) -> None:
        notification = self.server.schema.notifications[f"{{{self.server.schema.namespace_of_module[YP]}}}{name}"]
        self.send(build(notification, {"id": self.id, **content}))
        self._sent += 1

    # ===== work =====

    def start_work(self) -> None:
        """Begin a piece of work unless one is going on."""
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._guarded())

    async def _guarded(self) -> None:
        try:
            await self.work()
        except RpcError as fault:
            log.warning("%s: subscription %d: %s", self.session, self.id, fault)
            self._work = None
            self.terminate("filter-unavailable")
        except Exception:
            log.exception("%s: subscription %d fails by a bug", self.session, self.id)
            self._work = None
            self.terminate("no-such-subscription")

    async def work(self) -> None:
        raise AssertionError

    def call_at(self, when: float) -> None:
        """Begin a piece of work then."""
        self._undo_due()
        self._due = self.server.timers.call_at(when, self.due)

    def due(self) -> None:
        self._due = None
        self.start_work()

    def _undo_due(self) -> None:
        if self._due is not None:
            self._due()
            self._due = None


class Periodic(Push):
    """All that is selected, at the beginning and then once a period, or whenever a multiple of the period has passed
    since ``anchor-time`` (section 4.2)."""

    def __init__(self, call: Call, given: Node) -> None:
        super().__init__(call, given)
        self._period = 0.0
        self._given_anchor: float | None = None
        self._anchor: float | None = None
        self._read(given)

    def begin(self) -> None:
        super().begin()
        if self._anchor is None:
            self._anchor = self.server.timers.time()
            self.start_work()
        self.call_at(self._next())

    def amend(self, given: Node) -> None:
        super().amend(given)
        if given[f"{YP}:on-change"] is not None:
            raise refusal("on-change-unsupported", "the subscription is periodic and stays so")
        self._read(given)
        self.call_at(self._next())

    def due(self) -> None:
        super().due()
        self.call_at(self._next())

    async def work(self) -> None:
        await self.push_update(await self.selected())

    def policy(self) -> Plain:
        anchor = None if self._given_anchor is None else date_and_time(self._given_anchor)
        return {**super().policy(), f"{YP}:periodic": {"period": round(self._period * 100), "anchor-time": anchor}}

    def _read(self, given: Node) -> None:
        periodic = given.node(f"{YP}:periodic")
        if periodic is None:
            return
        period = int(periodic.text("period") or 0)
        if period < SHORTEST_PERIOD:
            message = f"the shortest period is {SHORTEST_PERIOD} centiseconds"
            raise refusal("period-unsupported", message, period_hint=str(SHORTEST_PERIOD))
        anchor = periodic.text("anchor-time")
        self._period = period / 100
        self._given_anchor = None if anchor is None else seconds_of(anchor)
        self._anchor = self._given_anchor

    def _next(self) -> float:
        """The next moment that is a multiple of the period away from the anchor."""
        now = self.server.timers.time()
        anchor = now if self._anchor is None else self._anchor
        return anchor + ((now - anchor) // self._period + 1) * self._period


class OnChange(Push):
    """What changes, when it changes (section 4.3): configuration by commits, state where somebody tells of it."""

    def __init__(self, call: Call, given: Node) -> None:
        super().__init__(call, given)
        policy = given.node(f"{YP}:on-change")
        assert policy is not None
        self._dampening = int(policy.text("dampening-period") or 0) / 100
        self._sync = policy.text("sync-on-start") != "false"
        self._excluded = policy.values("excluded-change")
        self._seen: Seen | None = None
        self._patches = 0
        self._is_stale = True
        self._is_incomplete = False
        self._quiet_until = 0.0

    async def require_announced(self) -> None:
        """Raises the refusal on-change-unsupported if all that is selected is state whose changes nobody announces."""
        if self.datastore != "operational" or self.selection.is_everything:
            return
        reader = self.server.access.reader(self.session.user)
        told, all_there = await self.selected(), await self.select_now(reader.hide)
        if told.root.is_empty and not all_there.root.is_empty:
            raise refusal("on-change-unsupported", "no changes of what is selected are announced: ask periodically")

    def begin(self) -> None:
        super().begin()
        self.start_work()

    def amend(self, given: Node) -> None:
        super().amend(given)
        if given[f"{YP}:periodic"] is not None:
            raise refusal("period-unsupported", "the subscription is on-change and stays so")
        policy = given.node(f"{YP}:on-change")
        if policy is not None:
            self._dampening = int(policy.text("dampening-period") or 0) / 100

    def select(self, selection: Selection) -> None:
        """What the new filter selects is told as a whole, as at the beginning."""
        super().select(selection)
        self._seen = None
        self.changed(is_state=True)

    def resync(self) -> None:
        """resync-subscription: send all that is selected once more."""
        self.session.outbox.hold()
        self._seen, self._sync = None, True
        self.changed(is_state=True)

    def changed(self, is_state: bool) -> None:
        if is_state and self.datastore != "operational" and self._seen is not None:
            return
        self._is_stale = True
        if self._due is None or self._is_quiet:
            self.start_work()

    def due(self) -> None:
        self._is_stale = True
        super().due()

    @property
    def _is_quiet(self) -> bool:
        """Nothing may be sent until the dampening period is over."""
        return self.server.timers.time() < self._quiet_until

    def hide(self, reader: Reader) -> Hide | None:
        hide = super().hide(reader)
        return unannounced_hidden(self.server.announced_state, hide) if self.datastore == "operational" else hide

    async def work(self) -> None:
        while self._is_stale:
            self._is_stale = False
            selection = self.selection
            content = await self.selected()
            if self._is_quiet:
                await self._look(content)
                self.call_at(self._quiet_until)
                continue
            if selection is self.selection:
                await self._tell(content)
            if content.is_incomplete:
                self.call_at(self.server.timers.time() + RETRY)
                return

    async def _look(self, content: Content) -> None:
        if self._seen is not None and not content.is_incomplete:
            await self.server.aside.run(self._seen.look, content.root)

    async def _tell(self, content: Content) -> None:
        was_incomplete, self._is_incomplete = self._is_incomplete, content.is_incomplete
        if self._seen is None:
            self._seen = Seen(content.root)
            if self._sync:
                self._patches = 0
                await self.push_update(content)
                self._quiet_until = self.server.timers.time() + self._dampening
        elif not content.is_incomplete:
            seen, self._seen = self._seen, Seen(content.root)
            await self._tell_changes(seen, content.root)
        elif not was_incomplete:  # what could not be had has not gone: changes are told when all is known again
            self.report("push-change-update", _flag(content))

    async def _tell_changes(self, seen: Seen, content: Node) -> None:
        edits = await self.server.aside.run(self._edits, seen, content)
        if edits:
            patch = {"patch-id": str(self._patches), "edit": edits}
            self._patches = (self._patches + 1) % 2**32
            self.report("push-change-update", {"datastore-changes": {"yang-patch": patch}})
            self._quiet_until = self.server.timers.time() + self._dampening

    def _edits(self, seen: Seen, content: Node) -> list[Plain]:
        schema = self.server.schema
        reader = self.server.access.reader(self.session.user)
        changes = visible(schema, reader, seen.changes(content))
        namespace = schema.namespace_of_module[YP]  # a grouping has that of the module that uses it
        edits = Edits(schema, namespace, {"value": WriteOptions(hide=reader.hide)})
        return [edit for edit in edits.of(changes) if edit["operation"] not in self._excluded]

    def policy(self) -> Plain:
        on_change = {
            "dampening-period": round(self._dampening * 100),
            "sync-on-start": "true" if self._sync else "false",
            "excluded-change": list(self._excluded),
        }
        return {**super().policy(), f"{YP}:on-change": on_change}


def _flag(content: Content) -> Plain:
    return {"incomplete-update": True} if content.is_incomplete else {}
