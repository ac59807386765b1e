"""The two-phase transaction: what a commit passes through (``Transactor``), and the laws it obeys (``transact``).

Laws
    * ``prepare`` may refuse and touches nothing in the world.
    * ``apply`` may fail and then leaves its own part as it was before.
    * The participant that failed is never called again; the others are undone in reverse order: ``abort`` for those
      that only prepared, ``revert`` for those that applied.
    * Only if undoing fails, or an apply ends with an unknown outcome, is the answer ``rollback-failed``; the world is
      then out of sync and reconciled to running before the next commit.
    * The journal is last: it inserts in prepare, inside an open SQLite transaction, and its apply is the COMMIT. That
      is the point of no return.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeAlias

from cryptomap.data.diff import Change, diff
from cryptomap.data.tree import Node, Path
from cryptomap.data.validation import Invalid, Snapshot, validate
from cryptomap.datastore.steps import Deed, Observer, Step, silent
from cryptomap.errors import RollbackFailed, RpcError, RpcErrors
from cryptomap.schema.nodes import Schema

__all__ = [
    "Check",
    "FactKey",
    "Last",
    "Origin",
    "OutOfSync",
    "OutcomeUnknown",
    "Participant",
    "Pending",
    "Prepared",
    "Transactor",
    "Transition",
    "Warnings",
    "check",
    "rehearse",
    "transact",
]

log = logging.getLogger(__name__)

MAX_VIOLATIONS = 100

Prepared: TypeAlias = Any
"""What a participant's prepare hands to its own apply, abort and revert. ``None``: nothing to do, do not call again."""

FactKey: TypeAlias = tuple[str, ...]
"""Names a durable fact that is not configuration, such as ("applied-dscp", context, interface, crypto map)."""

Warnings: TypeAlias = tuple[RpcError, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Who changes the configuration, from where and why.

    ``kind`` is "commit", "rollback" (to a commit of the history), "revert" (a confirmed commit was not confirmed),
    "cancel" (cancel-commit), "startup" (the first load, planned from what is observed) or "reconcile" (the same,
    later).
    """

    user: str
    session_id: int = 0  # 0: the server itself
    source: str = ""
    kind: str = "commit"
    message: str = ""

    def as_kind(self, kind: str) -> Origin:
        return replace(self, kind=kind)


@dataclass(frozen=True, slots=True)
class Pending:
    """A confirmed commit that waits for its confirmation (RFC 6241 section 8.4), as it is kept on disk."""

    reference: int  # the commit to return to
    deadline: float  # seconds since the epoch
    timeout: float  # seconds
    session_id: int
    user: str
    persist: str | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """What one commit changes. ``pending`` is the confirmed commit that will be outstanding after it. Participants may
    put durable facts (``None`` deletes) into ``facts`` until their apply returns; they are stored with the commit.
    ``faulty``: the instances of ``new`` that violate their modules. Such a transition is only judged."""

    old: Snapshot
    new: Snapshot
    changes: tuple[Change, ...]
    origin: Origin
    pending: Pending | None = None
    facts: dict[FactKey, str | None] = field(default_factory=dict)
    faulty: tuple[Path, ...] = ()

    @property
    def from_observed(self) -> bool:
        """The world may hold anything: plan from what is observed, not from ``old``."""
        return self.origin.kind in ("startup", "reconcile")


class Last(Protocol):
    """The participant that makes a transition durable. Nothing fails after its apply, so it has no revert."""

    @property
    def name(self) -> str: ...

    def prepare(self, transition: Transition) -> Prepared: ...

    def apply(self, prepared: Prepared) -> None: ...

    def abort(self, prepared: Prepared) -> None: ...


class Participant(Last, Protocol):
    """Something the configuration is applied to. Refusals and failures are RpcErrors; OutcomeUnknown says that a
    deadline passed and nobody knows what happened."""

    def revert(self, prepared: Prepared) -> None:
        """Restore what apply found."""
        ...


class OutcomeUnknown(Exception):
    """Raised by apply or revert that cannot tell whether it took effect. The text is for the operator."""


class OutOfSync(RollbackFailed):
    """The participants named are in an unknown state."""

    def __init__(self, message: str, participants: Iterable[str]) -> None:
        super().__init__(message, app_tag="out-of-sync")
        self.participants = tuple(participants)


Check: TypeAlias = Callable[[Transition], Iterable[RpcError]]
"""A commit rule. What it yields with severity "warning" never fails a commit. It is asked about invalid configurations
as well, so that one reply says all: there it leaves alone whatever depends on ``Transition.faulty``."""


@dataclass(slots=True)
class Transactor:
    """Everything a commit passes through, in order: validation, the commit rules, the participants, the journal."""

    schema: Schema
    checks: Sequence[Check]
    participants: Sequence[Participant]
    journal: Last
    step: Observer = silent
    _examined: tuple[Snapshot, Node, Snapshot, tuple[Change, ...]] | None = None  # so validate + commit is one pass

    def transition(self, old: Snapshot, candidate: Node, origin: Origin, pending: Pending | None) -> Transition:
        """The change from ``old`` to a candidate that is valid as a whole. Raises RpcErrors with all violations, also
        those of the commit rules."""
        known = self._examined
        if known is None or known[0] is not old or known[1] is not candidate:
            try:
                new = validate(self.schema, candidate, old)
            except Invalid as fault:
                raise self._refusal(old, fault, origin) from None
            self._examined = known = (old, candidate, new, tuple(diff(old.root, new.root)))
        return Transition(old, known[2], known[3], origin, pending)

    def _refusal(self, old: Snapshot, fault: Invalid, origin: Origin) -> RpcErrors:
        """All that is wrong with an invalid candidate: its violations, and what the commit rules find in the rest."""
        if fault.is_cut_short:
            return fault
        new = fault.snapshot
        transition = Transition(old, new, tuple(diff(old.root, new.root)), origin, faulty=fault.places)
        try:
            check(transition, self.checks)
        except RpcErrors as found:
            return RpcErrors([*fault.errors, *found.errors][:MAX_VIOLATIONS])
        except Exception:  # the client is told what is certain
            log.exception("a commit rule failed at an invalid configuration")
        return fault

    def commit(
        self, old: Snapshot, candidate: Node, origin: Origin, pending: Pending | None = None
    ) -> tuple[Transition, Warnings]:
        """Take the world from ``old`` to ``candidate``; a candidate without changes is none of anybody's business.
        Raises RpcError or RpcErrors, and then running, backend and disk are as they were; or OutOfSync, which says
        what may not be."""
        self.step(Step.BEGUN)
        transition = self.transition(old, candidate, origin, pending)
        self.step(Step.VALIDATED)
        if not transition.changes:
            return transition, ()
        warnings = check(transition, self.checks)
        self.step(Step.CHECKED)
        transact(transition, self.participants, self.journal, self.step)
        self._examined = None
        return transition, warnings


def check(transition: Transition, checks: Iterable[Check]) -> Warnings:
    """Run the commit rules: their warnings, or RpcErrors with all violations (bounded)."""
    found = [error for rule in checks for error in rule(transition)]
    violations = [error for error in found if error.severity != "warning"]
    if violations:
        raise RpcErrors(violations[:MAX_VIOLATIONS])
    return tuple(found)


def transact(
    transition: Transition, participants: Iterable[Participant], last: Last | None, step: Observer = silent
) -> None:
    """Prepare all, then apply all, under the laws above."""
    ready: list[tuple[Any, Prepared]] = []
    for participant in (*participants, last) if last else participants:
        try:
            prepared = participant.prepare(transition)
        except Exception:
            _abort(ready, step)
            raise
        if prepared is not None:
            ready.append((participant, prepared))
        step(Deed.PREPARED.by(participant.name))
    for position, (participant, prepared) in enumerate(ready):
        try:
            participant.apply(prepared)
        except Exception as fault:
            _abort(ready[position + 1 :], step)
            failures = _revert(ready[:position], step)
            raise _answer(participant.name, fault, failures) from fault
        step(Deed.APPLIED.by(participant.name))


def rehearse(transition: Transition, participants: Iterable[Participant]) -> dict[str, Prepared]:
    """What each participant would do, by name; nothing is done. Raises what a prepare raises."""
    ready: list[tuple[Participant, Prepared]] = []
    try:
        for participant in participants:
            prepared = participant.prepare(transition)
            if prepared is not None:
                ready.append((participant, prepared))
    finally:
        _abort(ready, silent)
    return {participant.name: prepared for participant, prepared in ready}


def _abort(ready: Sequence[tuple[Last, Prepared]], step: Observer) -> None:
    for participant, prepared in reversed(ready):
        try:
            participant.abort(prepared)
        except Exception:  # prepare touched nothing in the world, so there is nothing to make good
            log.exception("%s could not abort", participant.name)
        step(Deed.ABORTED.by(participant.name))


def _revert(applied: Sequence[tuple[Participant, Prepared]], step: Observer) -> dict[str, Exception]:
    """Undo in reverse order and go on after a failure; what failed, by participant."""
    failures: dict[str, Exception] = {}
    for participant, prepared in reversed(applied):
        try:
            participant.revert(prepared)
        except Exception as fault:
            _log_unless_expected(participant.name, fault)
            failures[participant.name] = fault
        step(Deed.REVERTED.by(participant.name))
    return failures


def _answer(name: str, fault: Exception, failures: Mapping[str, Exception]) -> Exception:
    """The error of a failed apply: its own if the world is as before, else OutOfSync. Only an RpcError promises that
    the participant left its part as before; a timeout or a bug does not."""
    _log_unless_expected(name, fault)
    clean = isinstance(fault, (RpcError, RpcErrors))
    if clean and not failures:
        return fault
    reason = _text(fault)
    undone = "; ".join(f"{other} could not undo its part ({_text(failure)})" for other, failure in failures.items())
    return OutOfSync(
        f"{name} failed: {reason}{'; ' if undone else ''}{undone}. The running configuration is unchanged; the "
        "server reconciles with it before the next commit",
        (*failures, *(() if clean else (name,))),
    )


def _text(fault: Exception) -> str:
    """What a client may read of a fault; a bug keeps its text to the log."""
    if isinstance(fault, RpcError):
        return fault.message
    if isinstance(fault, (RpcErrors, OutcomeUnknown)):
        return str(fault)
    return "internal error"


def _log_unless_expected(name: str, fault: Exception) -> None:
    if not isinstance(fault, (RpcError, RpcErrors, OutcomeUnknown)):
        log.error("%s failed by a bug", name, exc_info=fault)
