"""The backend as a participant of commits: prepare, apply, abort, revert, and the reconcile of a start-up.

``intent`` is what running asks of the backend. It follows the datastore: apply and revert move it, and a reconcile
reads it anew from running and the durable record of what was applied.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from cryptomap.datastore.clock import Clock
from cryptomap.datastore.transaction import FactKey, Transition
from cryptomap.errors import OperationFailed
from cryptomap.ipsec import reapply
from cryptomap.ipsec.faults import as_rpc_fault
from cryptomap.ipsec.platform import Surroundings
from cryptomap.ipsec.scope import Scopes
from cryptomap.schema.nodes import Schema
from cryptomap_backend.change import Change, with_reapplied
from cryptomap_backend.contract import ApplyFailed, Backend, BackendError
from cryptomap_backend.intent import Intent, Tunnel, TunnelId
from cryptomap_backend.plan import Plan
from cryptomap_backend.state import Drift

__all__ = ["BackendParticipant", "Planned", "Reconciliation"]

log = logging.getLogger(__name__)

Facts: TypeAlias = Mapping[FactKey, str]
StoreFacts: TypeAlias = Callable[[Mapping[FactKey, str | None]], None]
Doubt: TypeAlias = Callable[[str], None]
"""Says why the backend may hold something else than running asks for, so that it is reconciled soon."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A commit as the backend will carry it out."""

    transition: Transition
    plan: Plan

    @property
    def change(self) -> Change:
        return self.plan.change


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The intent the backend's world is to be brought to, whatever it holds."""

    transition: Transition
    intent: Intent


class BackendParticipant:
    """See ``datastore.transaction.Participant``. Everything but ``intent`` belongs to the writer's thread.

    ``facts`` gives the durable facts of the datastore, ``doubt`` is told when the backend fails at what it had planned
    itself. ``last`` is the change applied last, and ``mended`` how the backend had drifted from running before it was
    reconciled, for who announces them.
    """

    name = "backend"

    def __init__(
        self,
        schema: Schema,
        backend: Backend,
        scopes: Scopes,
        surroundings: Surroundings,
        facts: Callable[[], Facts],
        doubt: Doubt,
        clock: Clock,
    ) -> None:
        self._schema = schema
        self._backend = backend
        self._scopes = scopes
        self._surroundings = surroundings
        self._facts = facts
        self._doubt = doubt
        self._clock = clock
        self.intent = Intent()
        self.last: tuple[Transition, Change] | None = None
        self.mended: str | None = None

    # ===== a commit =====

    def prepare(self, transition: Transition) -> Planned | Reconciliation | None:
        """What the backend would do; ``None`` if the change is nothing to it. Raises RpcError or RpcErrors."""
        if transition.from_observed:
            return Reconciliation(transition, self._read(transition))
        change = self._scopes.of(transition).change(self.intent)
        self._scopes.forget()  # the rules have had their say; a large commit's scope is large
        if change.is_empty:
            return None
        plan = self._planned(change)
        for warning in plan.warnings:
            log.warning("backend %s: %s", self._backend.name, warning)
        return Planned(transition, plan)

    def apply(self, prepared: Planned | Reconciliation) -> None:
        """Raises RpcError if nothing came of it, OutcomeUnknown if that is not known."""
        if isinstance(prepared, Reconciliation):
            self._reconcile(prepared)
            return
        change = prepared.change
        self._do(lambda: self._backend.apply(prepared.plan), change.new)
        prepared.transition.facts.update(reapply.facts_of_change(change, self._clock.time()))
        self.intent = change.new
        self.last = prepared.transition, change

    def abort(self, prepared: Planned | Reconciliation) -> None:
        """Nothing was touched, so there is nothing to do."""

    def revert(self, prepared: Planned | Reconciliation) -> None:
        """Restore what apply found. A reconcile has nothing to go back to: running is what it brought about."""
        if isinstance(prepared, Planned):
            self._do(lambda: self._backend.revert(prepared.plan), prepared.change.new)
            self.intent = prepared.change.old
            self.last = None

    # ===== reconcile =====

    def _read(self, transition: Transition) -> Intent:
        """The intent of running. It holds from here on, also while the backend cannot follow."""
        facts = self._facts()

        def applied(tunnel: TunnelId) -> tuple[tuple[str, int | None], ...] | None:
            record = reapply.lookup(facts, tunnel)
            return record.applied if record else None

        is_first = transition.origin.kind == "startup"
        reader = (self._scopes.first_reader if is_first else self._scopes.reader)(transition.new)
        self.intent = reader.intent(applied)
        self._scopes.warm(transition.new)
        return self.intent

    def _reconcile(self, prepared: Reconciliation) -> None:
        try:
            drift = self._backend.reconcile(prepared.intent)
        except BackendError as fault:
            raise as_rpc_fault(self._schema, fault, prepared.intent) from fault
        finally:
            self._surroundings.forget()
            self._scopes.forget()
        prepared.transition.facts.update(reapply.facts_of_intent(self._facts(), prepared.intent, self._clock.time()))
        if not drift.is_empty:
            said = _said(drift)
            log.warning("backend %s differed from running and was mended: %s", self._backend.name, said)
            self.mended = None if prepared.transition.origin.kind == "startup" else said

    # ===== the action reapply =====

    def reapply(self, item: TunnelId, store: StoreFacts) -> tuple[reapply.Outcome, Tunnel]:
        """Make the configured DSCPs of a tunnel the applied ones, in the backend and durably. On the writer's thread.
        Raises RpcError."""
        tunnel = self.intent.tunnels.get(item)
        if tunnel is None:
            raise OperationFailed(
                f"crypto map {item.crypto_map} has no tunnel on {item.interface}: its state says what is missing",
                app_tag="incomplete",
            )
        change = with_reapplied(self.intent, item)
        if change.is_empty:
            return reapply.Outcome.UNCHANGED, tunnel
        live = self._is_live(item)
        plan = self._planned(change)
        self._do(lambda: self._backend.apply(plan), change.new)
        new = change.new.tunnels[item]
        try:
            store(reapply.recorded(new, self._clock.time()))
        except Exception:
            self._do(lambda: self._backend.revert(plan), self.intent)
            raise
        self.intent = change.new
        return reapply.outcome_of(plan, live), new

    def _planned(self, change: Change) -> Plan:
        try:
            return self._backend.prepare(change)
        except BackendError as fault:
            raise as_rpc_fault(self._schema, fault, change.new) from fault

    def _is_live(self, item: TunnelId) -> bool:
        """Whether the tunnel has SAs; if that cannot be told now, the plan's effects decide."""
        try:
            state = self._backend.observe(item).tunnels.get(item)
        except BackendError:
            return True
        return bool(state and state.children)

    def _do(self, call: Callable[[], None], intent: Intent) -> None:
        try:
            call()
        except BackendError as fault:
            if isinstance(fault, ApplyFailed):
                self._doubt(f"it could not carry out a change it had planned: {fault}")
            raise as_rpc_fault(self._schema, fault, intent) from fault


def _said(drift: Drift) -> str:
    parts = [
        f"{len(items)} {what}"
        for items, what in (
            (drift.missing, "tunnels were missing"),
            (drift.unexpected, "tunnels were not asked for"),
            (drift.different, "tunnels were different"),
            (drift.responders, "services were different"),
        )
        if items
    ]
    return ", ".join([*parts, "the QoS maps were different"] if drift.l2 else parts)
