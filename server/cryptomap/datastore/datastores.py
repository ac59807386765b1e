"""The datastores (RFC 6241): running, candidate and startup, and every operation that changes them.

All of it happens on the writer's thread, one operation at a time; readers take ``running`` or ``candidate``, immutable
references, from any thread. Sessions are known by their number only.

The journal's configuration is always the one that is served. A participant (a backend) that cannot follow it is *out of
sync*: it is reconciled with growing pauses, and no commit is taken until it follows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from lxml import etree

from cryptomap.data.edit import PartlyEdited, edit
from cryptomap.data.tree import Node, Path, reuse
from cryptomap.data.validation import Snapshot
from cryptomap.data.xml import Sealer
from cryptomap.datastore.checkpoints import Background, on_thread
from cryptomap.datastore.clock import Clock
from cryptomap.datastore.confirm import Confirm
from cryptomap.datastore.events import Committed, Listener
from cryptomap.datastore.guard import Guard
from cryptomap.datastore.history import Record
from cryptomap.datastore.memory import undisturbed
from cryptomap.datastore.partial_locks import PartialLock
from cryptomap.datastore.private_candidates import REVERT_ON_CONFLICT, PrivateCandidates
from cryptomap.datastore.running import Running
from cryptomap.datastore.statedir import StateDirectory, StateFault
from cryptomap.datastore.steps import Observer, silent
from cryptomap.datastore.transaction import (
    Check,
    FactKey,
    Origin,
    Participant,
    Pending,
    Prepared,
    Transition,
    Warnings,
)
from cryptomap.errors import InUse, InvalidValue, OperationFailed, OperationNotSupported
from cryptomap.schema.nodes import Schema

__all__ = ["Datastores", "Permit", "Rehearsal"]

Permit: TypeAlias = Callable[[Origin, Node, Node], None]
"""Asked before one tree takes the place of another for somebody. Raises RpcErrors if they may not do that."""


def everything(origin: Origin, old: Node, new: Node) -> None:
    """Permit everything."""


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a commit would do: the transition, what the rules warn of, and each participant's plan by its name."""

    transition: Transition
    warnings: Warnings
    plans: Mapping[str, Prepared]


class Datastores:
    """Running, candidate and startup of one server, and their journal in a state directory."""

    def __init__(
        self,
        schema: Schema,
        state: StateDirectory,
        seal: Sealer | None,
        *,
        participants: Sequence[Participant] = (),
        checks: Sequence[Check] = (),
        clock: Clock = time,
        step: Observer = silent,
        background: Background = on_thread,
        startup_enabled: bool = False,
        writable_running: bool = False,
        permit: Permit = everything,
    ) -> None:
        """Recover what the state directory holds. On the writer's thread; call ``start`` next. Raises StateFault."""
        self.schema = schema
        self._clock = clock
        self._seal = seal
        self._candidate: Node | None = None
        self.permit = permit
        self.writable_running = writable_running
        self.names = ("running", "candidate", "startup") if startup_enabled else ("running", "candidate")
        self._running = Running(
            schema,
            state,
            seal,
            participants=participants,
            checks=checks,
            clock=clock,
            step=step,
            background=background,
            boot_from_startup=startup_enabled,
        )
        self.private_candidates = PrivateCandidates(schema, lambda: self.running.root)
        self.guard = Guard(schema, clock, self.private_candidates, lambda: self._running.waiting)
        self.subscribe(self.private_candidates.notice)

    # ---- what readers take -------------------------------------------------------------------------------------

    @property
    def running(self) -> Snapshot:
        return self._running.snapshot

    @property
    def candidate(self) -> Node:
        """The candidate that all sessions share."""
        return self.running.root if self._candidate is None else self._candidate

    @property
    def modified(self) -> bool:
        """Whether the shared candidate differs from running. Costs what was touched, nothing if nothing was."""
        return self._candidate is not None and self._candidate != self.running.root

    @property
    def pending(self) -> Pending | None:
        """The confirmed commit that waits for its confirmation."""
        return self._running.pending

    @property
    def head(self) -> int:
        """The id of the last commit; 0 before the first."""
        return self._running.head

    @property
    def facts(self) -> Mapping[FactKey, str]:
        """The durable facts, immutable."""
        return self._running.facts

    @property
    def out_of_sync(self) -> Mapping[str, str]:
        """The participants that do not follow running, and why."""
        return self._running.out_of_sync

    def read(self, datastore: str, session_id: int = 0) -> Node:
        """The root of a datastore by name, as that session has it. Raises OperationNotSupported for one this server
        does not have."""
        self._require_known(datastore)
        if datastore == "running":
            return self.running.root
        if datastore == "candidate":
            return self._candidate_of(session_id)
        return self._running.startup or Node.empty(self.schema.root)

    def subscribe(self, listener: Listener) -> None:
        """Have a listener told of every event, on the writer's thread."""
        self._running.listeners.append(listener)

    # ---- editing -----------------------------------------------------------------------------------------------

    @undisturbed()
    def edit(
        self,
        origin: Origin,
        target: str,
        config: etree._Element,
        *,
        default_operation: str = "merge",
        error_option: str = "stop-on-error",
        test_option: str = "set",
    ) -> None:
        """edit-config (RFC 6241 section 7.2). On running it is a commit of its own. Raises RpcError or RpcErrors."""
        self._require_writable(target, origin.session_id)
        partly: PartlyEdited | None = None
        try:
            new = edit(
                self.schema,
                self.read(target, origin.session_id),
                config,
                default_operation=default_operation,
                error_option=error_option,
                seal=self._seal,
            )
        except PartlyEdited as fault:
            new, partly = fault.root, fault
        if test_option != "set":
            self._running.examine(new, origin)
        if test_option != "test-only":
            self._replace(target, new, origin)
        if partly:
            raise partly

    @undisturbed()
    def copy(self, origin: Origin, target: str, source: str | Node, *, is_permitted: bool = False) -> None:
        """copy-config (section 7.3): a datastore by name, or a configuration, replaces the target. ``is_permitted``: it
        takes no right to the data."""
        self._require_writable(target, origin.session_id)
        self._replace(target, self._root(source, origin), origin, is_permitted=is_permitted)

    def delete(self, origin: Origin, target: str) -> None:
        """delete-config (section 7.4). Only startup can be deleted; the next boot then starts empty."""
        if target != "startup":
            raise OperationNotSupported(f"{target} cannot be deleted", error_type="protocol")
        self._require_writable(target, origin.session_id)
        nothing = Node.empty(self.schema.root)
        self.permit(origin, self.read(target), nothing)
        self._running.store_startup(nothing, origin)

    def discard(self, origin: Origin) -> None:
        """discard-changes (section 8.3.4.2)."""
        if origin.session_id in self.private_candidates:
            self.private_candidates.discard(origin.session_id)
            return
        self.guard.require_free("candidate", origin.session_id)
        self._candidate = None

    @undisturbed()
    def update(self, origin: Origin, resolution_mode: str = REVERT_ON_CONFLICT) -> None:
        """Take into the session's own candidate what has changed in running. Raises RpcErrors with the conflicts."""
        self.private_candidates.update(origin.session_id, resolution_mode)

    @undisturbed()
    def validate(self, origin: Origin, source: str | Node) -> Warnings:
        """validate (section 8.6.4.1): the schema's constraints and the commit rules, against running. Raises RpcErrors
        with all violations; returns the warnings."""
        _, warnings = self._running.examine(self._root(source, origin), origin)
        return warnings

    @undisturbed()
    def rehearse(self, origin: Origin, source: str | Node = "candidate") -> Rehearsal:
        """What committing that configuration would do. Raises what the commit would raise before it does anything."""
        root = self._to_commit(source, origin)
        self.permit(origin, self.running.root, root)
        transition, warnings = self._running.examine(root, origin)
        return Rehearsal(transition, warnings, self._running.rehearse(transition) if transition.changes else {})

    # ---- commit ------------------------------------------------------------------------------------------------

    @undisturbed()
    def commit(self, origin: Origin, confirm: Confirm | None = None, persist_id: str | None = None) -> Committed | None:
        """commit (section 8.3.4.1), or a confirmed commit (section 8.4). ``None`` if running stays as it is; then
        nothing is written either, unless a confirmed commit starts or ends with it."""
        session_id = origin.session_id
        self.guard.require_committer(session_id, persist_id)
        if session_id in self.private_candidates:
            self.private_candidates.update(session_id)
        pending = confirm.pending(origin, self._clock.time(), self.head, self.pending) if confirm else None
        committed = self._commit(self._candidate_of(session_id), origin, pending)
        if session_id in self.private_candidates:
            self.private_candidates.committed(session_id, is_proposed=pending is not None)
        else:
            self._candidate = None
        return committed

    @undisturbed()
    def change(self, origin: Origin, make: Callable[[Node], Node]) -> Committed | None:
        """An edit and its commit in one (RFC 8040 section 1.4): ``make`` answers the new configuration, from running's.
        The same locks as for both; InUse while the shared candidate has changes, which would be somebody else's. A
        startup datastore follows. A refusal leaves nothing behind."""
        self.guard.require_committer(origin.session_id, None)
        if self.modified:
            message = "the candidate has changes that were neither committed nor discarded"
            raise InUse(f"{message}; commit or discard them first", error_type="protocol")
        if "startup" in self.names:
            self.guard.require_free("startup", origin.session_id)
        committed = self._commit(make(self.running.root), origin, None)
        self._candidate = None
        if "startup" in self.names:
            self._running.store_startup(self.running.root, origin)
        return committed

    @undisturbed()
    def revise(self, origin: Origin, target: str, make: Callable[[Node], Node]) -> None:
        """``edit`` by a function from the target's configuration to the new one."""
        self._require_writable(target, origin.session_id)
        self._replace(target, make(self.read(target)), origin)

    def cancel(self, origin: Origin, persist_id: str | None = None) -> None:
        """cancel-commit (section 8.4.4.1)."""
        self.guard.require_canceller(origin.session_id, persist_id)
        self._running.cancel(origin)

    def rollback(self, origin: Origin, commit: int) -> Committed | None:
        """Commit the configuration as it was after that commit; ``None`` if it is running already. The candidate is
        left alone."""
        self.guard.require_free("running", origin.session_id)
        self.guard.require_nothing_pending()
        root = reuse(self.running.root, self.root_at(commit))
        assert isinstance(root, Node)
        self.permit(origin, self.running.root, root)
        self.guard.require_parts_free(self.running.root, root, origin.session_id)
        return self._running.commit(root, origin.as_kind("rollback"), None)

    def rehearse_rollback(self, origin: Origin, commit: int) -> Rehearsal:
        """What ``rollback`` would do. Raises what it would raise before it does anything."""
        root = reuse(self.running.root, self.root_at(commit))
        assert isinstance(root, Node)
        return self.rehearse(origin.as_kind("rollback"), root)

    def store_facts(self, facts: Mapping[FactKey, str | None]) -> None:
        """Durable facts learnt outside a commit; ``None`` deletes. Raises OperationFailed."""
        self._running.store_facts(facts)

    # ---- locks and sessions ------------------------------------------------------------------------------------

    def lock(self, session_id: int, target: str) -> None:
        """lock (section 7.5). Raises LockDenied."""
        self._require_known(target)
        self.guard.lock(target, session_id, is_modified=self.modified)

    def unlock(self, session_id: int, target: str) -> None:
        """unlock (section 7.6); the shared candidate's changes are discarded (section 8.3.5.2)."""
        self._require_known(target)
        if self.guard.unlock(target, session_id):
            self._candidate = None

    def lock_parts(self, session_id: int, select: tuple[str, ...], nodes: Collection[Path]) -> PartialLock:
        """partial-lock (RFC 5717 section 2.4.1): nodes of running that another session cannot change while it is held.
        Raises LockDenied."""
        return self.guard.lock_parts(session_id, select, nodes)

    def unlock_parts(self, session_id: int, lock_id: int) -> None:
        """partial-unlock (section 2.4.2)."""
        self.guard.partial_locks.release(lock_id, session_id)

    def close_session(self, session_id: int) -> None:
        """A session has ended, in whatever way: its locks go, with the candidate's changes if it had locked it, and
        so does a candidate of its own; its confirmed commit is rolled back unless it was made persistent."""
        self.private_candidates.close(session_id)
        if self.guard.release_all(session_id):
            self._candidate = None
        pending = self.pending
        if pending and pending.persist is None and pending.session_id == session_id:
            self._running.give_up("cancel")

    # ---- history (on any thread) -------------------------------------------------------------------------------

    def history(self, limit: int = 100, before: int | None = None) -> list[Record]:
        """At most ``limit`` commits below id ``before``, newest first."""
        return self._running.history.records(limit, before)

    def change_of(self, commit: int) -> bytes:
        """The edit document of a commit: a ``config`` element, UTF-8, secrets sealed. Raises InvalidValue if there is
        no such commit."""
        try:
            return self._running.history.document(commit)
        except KeyError:
            raise _no_such(commit) from None

    def root_at(self, commit: int) -> Node:
        """The configuration after a commit (0: before the first). Costs a load. Raises InvalidValue if there is no such
        commit, OperationFailed if the journal is damaged there."""
        try:
            return self._running.archive.rebuild(commit).root
        except KeyError:
            raise _no_such(commit) from None
        except StateFault as fault:
            raise OperationFailed(str(fault)) from None

    # ---- life --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Bring the participants to running. One that fails is retried by ``tick``; running is served all the same."""
        self._running.start()

    def tick(self) -> float | None:
        """Do what is due (a confirmed commit that was not confirmed, a participant to reconcile); seconds until
        something is due next, or ``None``."""
        return self._running.tick()

    def desynchronized(self, participant: str, reason: str) -> None:
        """A participant reports that its world has drifted from running; ``tick`` reconciles it."""
        self._running.desynchronized(participant, reason)

    def close(self) -> None:
        """Let go of the files; everything is durable already. On the writer's thread."""
        self._running.close()

    # ===== helpers =====

    def _root(self, source: str | Node, origin: Origin) -> Node:
        return self.read(source, origin.session_id) if isinstance(source, str) else source

    def _to_commit(self, source: str | Node, origin: Origin) -> Node:
        """What would become running: a private candidate is updated first."""
        if source == "candidate" and origin.session_id in self.private_candidates:
            return self.private_candidates.updated(origin.session_id).root
        return self._root(source, origin)

    def _candidate_of(self, session_id: int) -> Node:
        private = self.private_candidates
        return private.root(session_id) if session_id in private else self.candidate

    def _commit(self, new: Node, origin: Origin, pending: Pending | None) -> Committed | None:
        self.permit(origin, self.running.root, new)
        self.guard.require_parts_free(self.running.root, new, origin.session_id)
        return self._running.commit(new, origin, pending)

    def _replace(self, target: str, new: Node, origin: Origin, *, is_permitted: bool = False) -> None:
        if not is_permitted:
            self.permit(origin, self.read(target, origin.session_id), new)
        if target == "candidate" and origin.session_id in self.private_candidates:
            self.private_candidates.edit(origin.session_id, new)
        elif target == "candidate":
            self._candidate = None if new is self.running.root else new
        elif target == "running":
            self.guard.require_parts_free(self.running.root, new, origin.session_id)
            self._running.commit(new, origin, self.pending)
        else:
            self._running.examine(new, origin)  # a startup that cannot be loaded is of no use
            self._running.store_startup(new, origin)

    def _require_known(self, datastore: str) -> None:
        if datastore not in self.names:
            raise OperationNotSupported(f"there is no {datastore} datastore here", error_type="protocol")

    def _require_writable(self, target: str, session_id: int) -> None:
        self._require_known(target)
        if target == "running" and not self.writable_running:
            raise OperationNotSupported(
                "running is changed by committing the candidate; writable-running is off", error_type="protocol"
            )
        self.guard.require_free(target, session_id)


def _no_such(commit: int) -> InvalidValue:
    return InvalidValue(f"there is no commit {commit}; list-commits shows those there are")
