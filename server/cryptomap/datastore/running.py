"""The running datastore: one snapshot, its journal, the participants that follow it, and its confirmed commit.

Every method that changes something belongs on the writer's thread. ``snapshot`` is an immutable reference that any
thread may take.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from cryptomap.data.diff import diff, edit_document
from cryptomap.data.tree import Node
from cryptomap.data.validation import Snapshot, empty_snapshot
from cryptomap.data.xml import Sealer
from cryptomap.datastore import set_aside
from cryptomap.datastore.checkpoint import Header
from cryptomap.datastore.checkpoints import Background, Checkpointer, Checkpoints
from cryptomap.datastore.clock import Clock
from cryptomap.datastore.confirm import Waiting
from cryptomap.datastore.events import Committed, ConfirmedCommit, Event, Listener, StartupStored, SyncChanged
from cryptomap.datastore.history import History
from cryptomap.datastore.journal import Journal, StartupCopy
from cryptomap.datastore.memory import give_back, settle, undisturbed
from cryptomap.datastore.recovery import Archive, Rebuilt
from cryptomap.datastore.statedir import StateDirectory
from cryptomap.datastore.steps import Observer, Step
from cryptomap.datastore.sync import Sync
from cryptomap.datastore.transaction import (
    Check,
    FactKey,
    Origin,
    OutOfSync,
    Participant,
    Pending,
    Prepared,
    Transactor,
    Transition,
    Warnings,
    check,
    rehearse,
    transact,
)
from cryptomap.schema.nodes import Schema

__all__ = ["Running"]

log = logging.getLogger(__name__)

SERVER = "cryptomapd"
RETRY_REVERT = 5.0  # seconds until a revert that could not be stored is tried again
LARGE_DOCUMENT = 1 << 20  # bytes; what a larger change makes settles, what it frees is given back to the system ...
GIVE_BACK_AFTER = 1.0  # ... seconds later, when its XML is gone as well


class Running:
    """Opening it recovers what the state directory holds; raises StateFault if that cannot be read."""

    def __init__(
        self,
        schema: Schema,
        state: StateDirectory,
        seal: Sealer | None,
        *,
        participants: Sequence[Participant],
        checks: Sequence[Check],
        clock: Clock,
        step: Observer,
        background: Background,
        boot_from_startup: bool,
    ) -> None:
        self._schema = schema
        self._state = state
        self._clock = clock
        self._step = step
        self._participants = participants
        self._journal = Journal(state.journal, schema, clock, step)
        step(Step.OPENED)
        self._checkpoints = Checkpoints(state.checkpoints, step)
        self._checkpointer = Checkpointer(schema, self._checkpoints, state.journal, background, step)
        self.history = History(state.journal)
        self.archive = Archive(schema, seal, self._checkpoints, self.history)
        self.transactor = Transactor(schema, checks, participants, self._journal, step)
        self._sync = Sync(participants, clock, step)
        self.listeners: list[Listener] = []
        self.waiting: Waiting | None = None
        self.startup: Node | None = None
        self._give_back_at: float | None = None
        self.snapshot = empty_snapshot(schema)
        try:
            if seal is not None:
                self._journal.require_key(seal)
            self._recover(boot_from_startup)
        except BaseException:
            self._journal.close()
            raise

    @property
    def head(self) -> int:
        return self._journal.head

    @property
    def pending(self) -> Pending | None:
        return self.waiting.pending if self.waiting else None

    @property
    def facts(self) -> Mapping[FactKey, str]:
        return self._journal.facts

    @property
    def out_of_sync(self) -> Mapping[str, str]:
        return self._sync.stale

    # ---- changing it -------------------------------------------------------------------------------------------

    def commit(self, candidate: Node, origin: Origin, pending: Pending | None) -> Committed | None:
        """Make the candidate running and ``pending`` what waits; ``None`` if running stays as it is. Raises RpcError or
        RpcErrors, and then everything stays as it is (OutOfSync: but for the participants it names)."""
        old = self.snapshot
        if candidate is old.root:
            self._journal.store_pending(pending)
            self._wait(pending, old, origin)
            return None
        self._require_sync()
        try:
            transition, warnings = self.transactor.commit(old, candidate, origin, pending)
        except OutOfSync as fault:
            self._mark(dict.fromkeys(fault.participants, fault.message))
            raise
        if not transition.changes:
            return self.commit(old.root, origin, pending)
        assert self._journal.last is not None
        committed = Committed(self._journal.last, transition, warnings)
        self._publish(transition)
        self.announce(committed)
        self._wait(pending, old, origin)
        return committed

    def cancel(self, origin: Origin) -> None:
        """Return to what the waiting confirmed commit replaced, at a client's wish. Raises what a commit raises."""
        assert self.waiting is not None
        self._require_sync()
        self._revert(self.waiting, origin.as_kind("cancel"), self._participants)
        self.announce(ConfirmedCommit("cancel", origin))

    def give_up(self, event: str) -> None:
        """Return to what the waiting confirmed commit replaced, whatever the participants say: they are reconciled
        later if they refuse. Only a journal that cannot store it delays it."""
        waiting = self.waiting
        assert waiting is not None
        pending = waiting.pending
        origin = Origin(pending.user, pending.session_id, kind="revert", message=f"confirmed commit: {event}")
        try:
            self._force_revert(waiting, origin)
        except Exception as fault:
            log.error("confirmed commit cannot be rolled back yet: %s", fault)
            self.waiting = waiting.postponed(self._clock.monotonic() + RETRY_REVERT)
            return
        log.warning("confirmed commit of %s rolled back (%s)", pending.user, event)
        self.announce(ConfirmedCommit(event, origin))

    def store_facts(self, facts: Mapping[FactKey, str | None]) -> None:
        self._journal.store_facts(facts)

    def examine(self, candidate: Node, origin: Origin) -> tuple[Transition, Warnings]:
        """What committing that configuration would change, and what the rules warn of. Raises RpcErrors."""
        transition = self.transactor.transition(self.snapshot, candidate, origin, None)
        return transition, check(transition, self.transactor.checks)

    def rehearse(self, transition: Transition) -> dict[str, Prepared]:
        """Each participant's plan for a transition, by name."""
        return rehearse(transition, self._participants)

    def store_startup(self, root: Node, origin: Origin) -> None:
        """Replace the startup datastore. As running it costs nothing, else the difference to running is stored."""
        changes = diff(self.snapshot.root, root)
        self._journal.store_startup(StartupCopy(self.head, edit_document(self._schema, changes) if changes else b""))
        old, self.startup = self.startup or Node.empty(self._schema.root), root
        if root != old:
            self.announce(StartupStored(old, root, origin))

    # ---- life --------------------------------------------------------------------------------------------------

    @undisturbed()
    def start(self) -> None:
        """Bring the participants to running; one that cannot follow yet is retried by ``tick``."""
        self._sync.mark_all("not reconciled since the start")
        self._reconcile("startup")
        self._step(Step.STARTED)

    def tick(self) -> float | None:
        """Do what is due; seconds until something is due next, or ``None``."""
        now = self._clock.monotonic()
        if self.waiting and self.waiting.due <= now:
            self.give_up("timeout")
        if self._sync.due is not None and self._sync.due <= now:
            self._reconcile("reconcile")
        if self._give_back_at is not None and self._give_back_at <= now:
            self._give_back_at = None
            give_back()
        waiting = self.waiting.due if self.waiting else None
        dues = [due for due in (waiting, self._sync.due, self._give_back_at) if due is not None]
        return max(min(dues) - now, 0.0) if dues else None

    def desynchronized(self, participant: str, reason: str) -> None:
        """A participant's world has drifted from running; it is reconciled at the next tick."""
        self._mark({participant: reason})

    def close(self) -> None:
        self._checkpointer.close()
        self._journal.close()
        self._state.close()

    def announce(self, event: Event) -> None:
        for listener in self.listeners:
            try:
                listener(event)
            except Exception:
                log.exception("a listener failed at %s", type(event).__name__)

    # ===== commit and revert =====

    def _publish(self, transition: Transition) -> None:
        """The transition is durable: it is what readers see from now on."""
        self.snapshot = transition.new
        self._step(Step.PUBLISHED)
        self._checkpointer.note(self._journal.last_weight, transition.new.root, self._header())
        if self._journal.last_weight >= LARGE_DOCUMENT:
            settle()
            self._give_back_at = self._clock.monotonic() + GIVE_BACK_AFTER

    def _header(self) -> Header:
        return Header(self._journal.head, self._journal.digest, self._schema.content_id)

    def _wait(self, pending: Pending | None, old: Snapshot, origin: Origin) -> None:
        """After success only: arm, extend or end the confirmed commit. The first one's original is kept."""
        before = self.waiting
        if before and pending is before.pending:
            return
        original = before.original if before else old
        self.waiting = Waiting.armed(pending, original, self._clock) if pending else None
        if pending:
            self._step(Step.ARMED)
            self.announce(ConfirmedCommit("extend" if before else "start", origin, pending.timeout))
        elif before:
            self._step(Step.CONFIRMED)
            self.announce(ConfirmedCommit("complete", origin))

    def _revert(self, waiting: Waiting, origin: Origin, participants: Sequence[Participant]) -> None:
        self._step(Step.REVERTING)
        new = waiting.original
        changes = tuple(diff(self.snapshot.root, new.root))
        if changes:
            transition = Transition(self.snapshot, new, changes, origin)
            self._transact(transition, participants)
        else:
            self._journal.store_pending(None)
        self.waiting = None
        self._step(Step.REVERTED)

    def _transact(self, transition: Transition, participants: Sequence[Participant]) -> None:
        try:
            transact(transition, participants, self._journal, self._step)
        except OutOfSync as fault:
            self._mark(dict.fromkeys(fault.participants, fault.message))
            raise
        assert self._journal.last is not None
        self._publish(transition)
        self.announce(Committed(self._journal.last, transition, ()))

    def _force_revert(self, waiting: Waiting, origin: Origin) -> None:
        try:
            self._require_sync()
            self._revert(waiting, origin, self._participants)
        except Exception as fault:
            log.warning("rolling back without the participants: %s", fault)
            self._revert(waiting, origin, ())
            self._mark({participant.name: f"could not follow a revert: {fault}" for participant in self._participants})

    # ===== participants =====

    def _require_sync(self) -> None:
        if self._sync.stale:
            self._reconcile("reconcile")
        self._sync.require()

    def _mark(self, reasons: Mapping[str, str]) -> None:
        self._sync.mark(reasons)
        self.announce(SyncChanged(self._sync.stale))

    def _reconcile(self, kind: str) -> None:
        before = self._sync.stale
        self._sync.reconcile(lambda: self._from_nothing(kind), self._journal.store_facts)
        if self._sync.stale != before:
            self.announce(SyncChanged(self._sync.stale))

    def _from_nothing(self, kind: str) -> Transition:
        old, new = empty_snapshot(self._schema), self.snapshot
        return Transition(old, new, tuple(diff(old.root, new.root)), Origin(SERVER, kind=kind), self.pending)

    # ===== recovery =====

    @undisturbed()
    def _recover(self, boot_from_startup: bool) -> None:
        rebuilt = self.archive.rebuild(self.head)
        self._step(Step.REBUILT)
        self.snapshot = self.archive.snapshot(rebuilt)
        self._step(Step.RECOVERED)
        self._set_aside(rebuilt)
        self._heal_lost_tail()
        self._recover_waiting()
        self._step(Step.WAITING_RECOVERED)
        self._recover_startup(boot_from_startup)
        self._step(Step.STARTUP_RECOVERED)
        upgraded = not rebuilt.trusted
        if rebuilt.replayed or upgraded:
            self._checkpointer.note(rebuilt.replayed, self.snapshot.root, self._header(), now=upgraded)
        self._give_back_at = self._clock.monotonic()

    def _set_aside(self, rebuilt: Rebuilt) -> None:
        """Keep what the schema of today refuses in a file, and say so."""
        if rebuilt.refused:
            set_aside.keep(self._state.path, rebuilt.commit, rebuilt.refused)

    def _heal_lost_tail(self) -> None:
        """A checkpoint may know more than a journal whose last pages were lost: then it is what was committed."""
        checkpoint = self.archive.beyond(self.head)
        if checkpoint is None:
            return
        lost = checkpoint.header.commit
        log.error("journal ends at commit %d, but there is a checkpoint of commit %d: taking that one", self.head, lost)
        new = self.archive.snapshot(Rebuilt(checkpoint.tree(self._schema), lost))
        self._impose(new, f"restored from the checkpoint of commit {lost}: the journal had lost its end")
        self._checkpoints.remove_beyond(self.head)

    def _recover_waiting(self) -> None:
        """A confirmed commit that a restart interrupted goes on waiting if a token lets anyone confirm it, else it is
        rolled back before anything is served."""
        pending = self._journal.pending
        if pending is None:
            return
        original = self.archive.snapshot(self.archive.rebuild(pending.reference))
        self.waiting = Waiting.recovered(pending, original, self._clock)
        if self.waiting.due <= self._clock.monotonic():
            log.warning("confirmed commit of %s rolled back (restart)", pending.user)
            self._revert(self.waiting, Origin(pending.user, kind="revert", message="confirmed commit: restart"), ())

    def _recover_startup(self, boot: bool) -> None:
        copy = self._journal.startup
        if copy is None:
            return
        rebuilt = self.archive.rebuild(copy.base, copy.document)
        self.startup = rebuilt.root
        if boot:
            self._set_aside(rebuilt)
            self.waiting = None
            self._impose(self.archive.snapshot(rebuilt), "startup datastore")

    def _impose(self, new: Snapshot, message: str) -> None:
        """Make a snapshot running before there is anybody to tell."""
        changes = tuple(diff(self.snapshot.root, new.root))
        origin = Origin(SERVER, kind="startup", message=message)
        pending = self.waiting.pending if self.waiting else None
        if changes:
            transition = Transition(self.snapshot, new, changes, origin, pending)
            transact(transition, (), self._journal, self._step)
            self._publish(transition)
        else:
            self._journal.store_pending(pending)
