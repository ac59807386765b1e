"""Keeping participants in step with running: who is out of sync, and when it is reconciled next.

Reconciling is the same transaction as a commit, from the empty configuration to running, for one participant alone;
its origin tells the participant to plan from what it observes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from cryptomap.datastore.clock import Clock
from cryptomap.datastore.steps import Deed, Observer
from cryptomap.datastore.transaction import FactKey, OutcomeUnknown, Participant, Transition, transact
from cryptomap.errors import OperationFailed, RpcError, RpcErrors

__all__ = ["Sync"]

Facts: TypeAlias = Mapping[FactKey, str | None]

log = logging.getLogger(__name__)

FIRST_PAUSE = 1.0  # seconds
LONGEST_PAUSE = 60.0


class Sync:
    """The participants that do not follow running. ``due`` (monotonic) is when to reconcile them again."""

    def __init__(self, participants: Sequence[Participant], clock: Clock, step: Observer) -> None:
        self._participants = participants
        self._clock = clock
        self._step = step
        self._pause = FIRST_PAUSE
        self._stale: dict[str, str] = {}
        self.due: float | None = None

    @property
    def stale(self) -> Mapping[str, str]:
        """Name -> why, an immutable copy."""
        return MappingProxyType(dict(self._stale))

    def mark(self, reasons: Mapping[str, str]) -> None:
        """These are out of sync from now on, due at once. (The journal is no participant here: it settles its own
        doubts.)"""
        known = {participant.name for participant in self._participants}
        reasons = {name: reason for name, reason in reasons.items() if name in known}
        for name, reason in reasons.items():
            log.error("%s is out of sync: %s", name, reason)
        self._stale |= reasons
        self._pause = FIRST_PAUSE
        self.due = self._clock.monotonic() if self._stale else None

    def mark_all(self, reason: str) -> None:
        self._stale |= {participant.name: reason for participant in self._participants}

    def reconcile(self, transition: Callable[[], Transition], store: Callable[[Facts], None]) -> None:
        """Try each that is out of sync, and store the facts it reports. What fails is due again after a pause that
        doubles."""
        for participant in self._participants:
            if participant.name in self._stale:
                self._try(participant, transition(), store)
        self._schedule()

    def _try(self, participant: Participant, transition: Transition, store: Callable[[Facts], None]) -> None:
        try:
            transact(transition, [participant], None, self._step)
            store(transition.facts)
        except (RpcError, RpcErrors, OutcomeUnknown) as fault:
            log.warning("%s cannot be reconciled yet: %s", participant.name, fault)
            self._stale[participant.name] = str(fault)
        except Exception:
            log.exception("%s failed by a bug while it was reconciled", participant.name)
            self._stale[participant.name] = "internal error"
        else:
            log.info("%s follows running", participant.name)
            del self._stale[participant.name]
            self._step(Deed.RECONCILED.by(participant.name))

    def _schedule(self) -> None:
        if not self._stale:
            self.due, self._pause = None, FIRST_PAUSE
            return
        self.due = self._clock.monotonic() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def require(self) -> None:
        """Raises OperationFailed while a participant is out of sync."""
        if self._stale:
            reasons = "; ".join(f"{name}: {reason}" for name, reason in self._stale.items())
            raise OperationFailed(
                f"out of sync with running, no commit is taken until it is reconciled ({reasons})",
                app_tag="out-of-sync",
            )
