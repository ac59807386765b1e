"""What an edit does to the SAs in charon, where that differs from what the neutral plan says. Pure.

charon gives a live SA no new mark, so a re-apply renegotiates the child SA under its IKE SA: the new one is up before
the old one goes. A tunnel without a known peer cannot be renegotiated from here; it is closed and its peer comes back.
"""

from __future__ import annotations

from dataclasses import replace

from cryptomap_backend.intent import Responder, Tunnel
from cryptomap_backend.plan import Effect, EffectKind, Live, Plan, ResponderEffect, effect_of
from cryptomap_backend.strongswan.messages import Connection, Translator

__all__ = ["closes", "named"]

MARKING = "live SAs take the applied DSCP by a renegotiation"
UNREACHABLE = "the peer has to negotiate anew"


def named(plan: Plan, translator: Translator, live: Live) -> Plan:
    """The plan with the effects as they are with charon."""
    updates = {new.id: (old, new) for old, new in plan.change.updated}
    effects = tuple(
        [
            _named(effect, *updates[effect.tunnel], translator, live) if effect.tunnel in updates else effect
            for effect in plan.effects
        ]
    )
    served = {item.new.id: (item.old, item.new) for item in plan.change.responders if item.old and item.new}
    responders = tuple(
        [
            _served(effect, *served[effect.responder], translator, live) if effect.responder in served else effect
            for effect in plan.responders
        ]
    )
    return replace(plan, effects=effects, responders=responders)


def closes(old: Connection, new: Connection) -> bool:
    """True if the SAs must go before new ones can come."""
    if isinstance(old.source, Tunnel) and isinstance(new.source, Tunnel):
        return _effect(old, new)[0] is EffectKind.RE_ESTABLISH
    assert isinstance(old.source, Responder)
    return _generations(old) != _generations(new)


def _named(effect: Effect, old: Tunnel, new: Tunnel, translator: Translator, live: Live) -> Effect:
    kind, reasons = _effect(translator.connection(old), translator.connection(new))
    drops = live(new.id) if kind is EffectKind.RE_ESTABLISH else 0
    return replace(effect, kind=kind, reasons=reasons, drops=drops)


def _served(
    effect: ResponderEffect, old: Responder, new: Responder, translator: Translator, live: Live
) -> ResponderEffect:
    if not closes(translator.connection(old), translator.connection(new)):
        return replace(effect, kind=EffectKind.UPDATE, drops=0)
    return replace(effect, kind=EffectKind.RE_ESTABLISH, drops=live(new.id))


def _effect(old: Connection, new: Connection) -> tuple[EffectKind, tuple[str, ...]]:
    assert isinstance(old.source, Tunnel)
    assert isinstance(new.source, Tunnel)
    kind, reasons = effect_of(old.source, new.source)
    if kind in (EffectKind.UPDATE, EffectKind.REAPPLY_PENDING) and _generations(old) != _generations(new):
        kind, reasons = EffectKind.REKEY, (*reasons, MARKING)
    if kind is EffectKind.REKEY and not new.reachable:
        kind, reasons = EffectKind.RE_ESTABLISH, (*reasons, UNREACHABLE)
    return kind, reasons


def _generations(connection: Connection) -> dict[str, str]:
    return {payload: name.generation for payload, name in connection.children.items()}
