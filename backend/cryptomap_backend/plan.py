"""From a change to ordered steps, their inverse, and what each does to live SAs. Pure: no backend, no clock.

Order. The L2 tables come first, so that no packet of a new tunnel leaves unmarked; then what is created or updated;
then deletions (make before break). Only a deletion whose endpoints and selector a creation takes over goes before it,
because two policies for one selector cannot coexist.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import TypeAlias

from cryptomap_backend.change import Change
from cryptomap_backend.intent import (
    Child,
    EspProposal,
    L2Marking,
    Responder,
    ResponderId,
    Tunnel,
    TunnelId,
    TunnelKind,
)

__all__ = [
    "Effect",
    "EffectKind",
    "Live",
    "Plan",
    "ResponderEffect",
    "Step",
    "effect_of",
    "make_plan",
    "negotiated",
    "responder_effect_of",
]

Live: TypeAlias = Callable[[TunnelId | ResponderId], int]
"""How many child SAs of a tunnel, or of all sessions of a responder, are established now; 0 for an unknown one."""

Item: TypeAlias = Tunnel | Responder | L2Marking


class EffectKind(StrEnum):
    """What happens to a tunnel, mildest first.

    REAPPLY_PENDING: only the configured DSCP changes, nothing happens until a re-apply. UPDATE: live SAs stay. REKEY:
    SAs are renegotiated, the new before the old goes. RE_ESTABLISH: torn down and negotiated anew.
    """

    REAPPLY_PENDING = "reapply-pending"
    UPDATE = "update-in-place"
    REKEY = "rekey"
    RE_ESTABLISH = "re-establish"
    CREATE = "create"
    TEARDOWN = "teardown"


_SEVERITY = {kind: rank for rank, kind in enumerate(EffectKind)}


@dataclass(frozen=True, slots=True)
class Effect:
    """The effect on one tunnel. ``drops`` counts established child SAs that go without a successor; ``reasons`` are
    phrases for an operator; ``reapply_pending`` says whether the tunnel is pending after the change."""

    tunnel: TunnelId
    kind: EffectKind
    reasons: tuple[str, ...] = ()
    drops: int = 0
    reapply_pending: bool = False


@dataclass(frozen=True, slots=True)
class ResponderEffect:
    """The effect on one responder: CREATE, UPDATE (its sessions stay), RE_ESTABLISH (they go, and their peers have to
    come again) or TEARDOWN. ``drops`` and ``reasons`` as of :class:`Effect`."""

    responder: ResponderId
    kind: EffectKind
    reasons: tuple[str, ...] = ()
    drops: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """One object set from ``old`` to ``new``; ``None`` means absent. Never both ``None``."""

    old: Item | None
    new: Item | None

    def inverse(self) -> Step:
        return Step(self.new, self.old)


@dataclass(frozen=True, slots=True)
class Plan:
    """What apply will do. ``token`` tells plans apart; ``payload`` is the backend's own preparation, opaque to all
    others; ``warnings`` are declared limits the change runs into without being refused."""

    change: Change
    steps: tuple[Step, ...]
    effects: tuple[Effect, ...]
    token: str = ""
    warnings: tuple[str, ...] = ()
    payload: object = None
    responders: tuple[ResponderEffect, ...] = ()

    def inverse_steps(self) -> tuple[Step, ...]:
        """The steps that undo the plan, last first."""
        return tuple([step.inverse() for step in reversed(self.steps)])


def make_plan(change: Change, live: Live, token: str = "", warnings: tuple[str, ...] = ()) -> Plan:
    """The plan of a change, given what is established now. Costs the change."""
    effects = tuple([_effect(item.old, item.new, live) for item in change.tunnels])
    responders = tuple([_responder_effect(item.old, item.new, live) for item in change.responders])
    return Plan(change, tuple(_steps(change)), effects, token, warnings, responders=responders)


def effect_of(old: Tunnel, new: Tunnel) -> tuple[EffectKind, tuple[str, ...]]:
    """The effect of updating a tunnel, and why: the severest of what its parts ask for."""
    causes = [*_tunnel_causes(old, new), *_ike_causes(old, new), *_child_causes(old, new)]
    kind = max((cause for cause, _ in causes), key=_SEVERITY.__getitem__, default=EffectKind.UPDATE)
    if kind is EffectKind.REAPPLY_PENDING and not new.reapply_pending:
        kind = EffectKind.UPDATE  # the DSCP is set back to what the SAs have
    return kind, tuple([reason for _, reason in causes])


def responder_effect_of(old: Responder, new: Responder) -> tuple[EffectKind, tuple[str, ...]]:
    """The same for a responder. Its sessions stay if they could have been negotiated with the new one just so."""
    reasons = [f"the {label} changes" for name, label in _SESSION.items() if getattr(old, name) != getattr(new, name)]
    if [negotiated(child) for child in old.children] != [negotiated(child) for child in new.children]:
        reasons.append("the transform sets of its payloads change")
    if [_selected(child) for child in old.children] != [_selected(child) for child in new.children]:
        reasons.append("the traffic selectors of its payloads change")
    if reasons:
        return EffectKind.RE_ESTABLISH, tuple(reasons)
    return EffectKind.UPDATE, ("settings change that its sessions do not depend on",)


# ===== order =====


def _steps(change: Change) -> Iterator[Step]:
    if change.l2_changed:
        yield Step(change.old.l2, change.new.l2)
    deleted = list(change.deleted)
    taken = {_place(tunnel) for tunnel in change.created} if deleted else set()
    yield from (Step(tunnel, None) for tunnel in deleted if _place(tunnel) in taken)
    yield from (Step(item.old, item.new) for item in change.tunnels if item.new is not None)
    yield from (Step(item.old, item.new) for item in change.responders)
    yield from (Step(tunnel, None) for tunnel in deleted if _place(tunnel) not in taken)


def _place(tunnel: Tunnel) -> tuple[object, ...]:
    return tunnel.id.context, tunnel.local, tunnel.remote, tunnel.selector


# ===== effects =====

Cause: TypeAlias = tuple[EffectKind, str]

_TUNNEL = {
    "kind": (EffectKind.RE_ESTABLISH, "map type"),
    "family": (EffectKind.RE_ESTABLISH, "address family"),
    "local": (EffectKind.RE_ESTABLISH, "local gateway"),
    "remote": (EffectKind.RE_ESTABLISH, "peer"),
    "manual": (EffectKind.RE_ESTABLISH, "session keys"),
    "natt": (EffectKind.RE_ESTABLISH, "NAT traversal"),
    "vrf": (EffectKind.RE_ESTABLISH, "egress VRF"),
    "selector": (EffectKind.REKEY, "traffic selector"),
    "initiate": (EffectKind.UPDATE, "initiation"),
    "df_bit": (EffectKind.UPDATE, "don't-fragment handling"),
    "preference": (EffectKind.UPDATE, "preference"),
    "applied": (EffectKind.UPDATE, "applied DSCP"),
}
_IKE = {
    "local": (EffectKind.RE_ESTABLISH, "local authentication"),
    "remote": (EffectKind.RE_ESTABLISH, "remote authentication"),
    "ca_certificates": (EffectKind.RE_ESTABLISH, "list of CA certificates"),
    "proposals": (EffectKind.REKEY, "list of IKE transform sets"),
}
_SESSION = {"local": "address", "ike": "IKE policy", "natt": "NAT traversal", "vrf": "egress VRF"}
_PROPOSAL_FIELDS = tuple(field.name for field in fields(EspProposal) if field.name != "dscp")
_CHILD_FIELDS = tuple(field.name for field in fields(Child) if field.name not in ("name", "proposals", "family"))


def _effect(old: Tunnel | None, new: Tunnel | None, live: Live) -> Effect:
    if new is None:
        assert old is not None
        return Effect(old.id, EffectKind.TEARDOWN, ("the map leaves the interface",), live(old.id))
    if old is None:
        return Effect(new.id, EffectKind.CREATE, ("the map is bound",), 0, new.reapply_pending)
    kind, reasons = effect_of(old, new)
    drops = live(new.id) if kind is EffectKind.RE_ESTABLISH else 0
    return Effect(new.id, kind, reasons, drops, new.reapply_pending)


def _responder_effect(old: Responder | None, new: Responder | None, live: Live) -> ResponderEffect:
    if new is None:
        assert old is not None
        return ResponderEffect(old.id, EffectKind.TEARDOWN, ("the service binds no template any more",), live(old.id))
    if old is None:
        return ResponderEffect(new.id, EffectKind.CREATE, ("the service binds a template",))
    kind, reasons = responder_effect_of(old, new)
    return ResponderEffect(new.id, kind, reasons, live(new.id) if kind is EffectKind.RE_ESTABLISH else 0)


def _tunnel_causes(old: Tunnel, new: Tunnel) -> Iterator[Cause]:
    for name, (kind, label) in _TUNNEL.items():
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            policy_only = name == "selector" and old.kind is new.kind is TunnelKind.MANUAL
            yield EffectKind.UPDATE if policy_only else kind, f"the {label} changes"


def _ike_causes(old: Tunnel, new: Tunnel) -> Iterator[Cause]:
    if old.ike is None or new.ike is None or old.ike is new.ike:
        return
    for field in fields(old.ike):
        if getattr(old.ike, field.name) != getattr(new.ike, field.name):
            kind, label = _IKE.get(field.name, (EffectKind.UPDATE, f"IKE setting {field.name.replace('_', '-')}"))
            yield kind, f"the {label} changes"


def _child_causes(old: Tunnel, new: Tunnel) -> Iterator[Cause]:
    before = {child.name: child for child in old.children}
    after = {child.name: child for child in new.children}
    for name in sorted(before.keys() - after.keys()):
        yield EffectKind.RE_ESTABLISH, f"payload {name} goes"
    for name in sorted(after.keys() - before.keys()):
        yield EffectKind.REKEY, f"payload {name} is new"
    manual = TunnelKind.MANUAL in (old.kind, new.kind)
    for name in sorted(before.keys() & after.keys()):
        if before[name] != after[name]:
            yield from _payload_causes(before[name], after[name], manual)


def _payload_causes(old: Child, new: Child, manual: bool) -> Iterator[Cause]:
    if old.family != new.family:
        yield EffectKind.REKEY, f"the family of payload {new.name} changes"
    if negotiated(old) != negotiated(new):
        kind = EffectKind.RE_ESTABLISH if manual else EffectKind.REKEY
        yield kind, f"the transform sets of payload {new.name} change"
    elif old.proposals != new.proposals:
        yield EffectKind.REAPPLY_PENDING, f"the DSCP of payload {new.name} changes"
    for name in _CHILD_FIELDS:
        if getattr(old, name) != getattr(new, name):
            yield EffectKind.UPDATE, f"the {name.replace('_', ' ')} of payload {new.name} changes"


def _selected(child: Child) -> tuple[object, ...]:
    """What the traffic selectors of a session are narrowed to."""
    return child.family, child.tsi, child.tsr


def negotiated(child: Child) -> list[tuple[object, ...]]:
    """The proposals of a payload as the peer sees them: without our DSCP. Equal = no need to renegotiate."""
    return [tuple(getattr(proposal, name) for name in _PROPOSAL_FIELDS) for proposal in child.proposals]
