"""What is applied and what is configured: the durable record of applied DSCPs, and the action ``reapply``.

A tunnel's applied DSCPs are those of its transform sets when the map was last bound or re-applied; only these are ever
written into an SA. A commit that changes a DSCP leaves them alone, and the two differing *is* ``reapply-pending``: it
needs no record, follows a transform set that several maps share, and goes when the DSCP is set back. The applied values
survive a restart as facts of the datastore, one a tunnel.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from cryptomap.datastore.transaction import FactKey
from cryptomap_backend.change import Change
from cryptomap_backend.intent import Applied, Intent, Tunnel, TunnelId
from cryptomap_backend.plan import EffectKind, Plan

__all__ = [
    "Difference",
    "Outcome",
    "Record",
    "facts_of_change",
    "facts_of_intent",
    "lookup",
    "newly_pending",
    "outcome_of",
    "pending",
    "recorded",
]

FACT = "applied-dscp"

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Record:
    """What was applied to a tunnel, and when (seconds since the epoch)."""

    applied: Applied
    at: float


@dataclass(frozen=True, slots=True)
class Difference:
    """A transform set whose configured DSCP is not the applied one; ``None`` is none."""

    transform_set: str
    applied: int | None
    configured: int | None


class Outcome(StrEnum):
    """What a re-apply did to the SAs, as the action answers it."""

    UNCHANGED = "unchanged"
    UPDATED = "updated"
    RE_ESTABLISHED = "re-established"
    RECORDED = "recorded"


# ===== the durable record =====


def lookup(facts: Mapping[FactKey, str], tunnel: TunnelId) -> Record | None:
    """What the datastore knows of a tunnel."""
    text = facts.get(_key(tunnel))
    return None if text is None else _read(text)


def recorded(tunnel: Tunnel, at: float) -> dict[FactKey, str | None]:
    """The fact that this is applied to the tunnel."""
    return {_key(tunnel.id): _ENCODE({"at": at, "applied": tunnel.applied})}


def facts_of_change(change: Change, at: float) -> dict[FactKey, str | None]:
    """What to record with a commit: tunnels that came, tunnels that went."""
    facts: dict[FactKey, str | None] = {_key(tunnel.id): None for tunnel in change.deleted}
    for tunnel in change.created:
        facts.update(recorded(tunnel, at))
    return facts


def facts_of_intent(facts: Mapping[FactKey, str], intent: Intent, at: float) -> dict[FactKey, str | None]:
    """What to record so that the facts are those of an intent: what is missing is added, what is left over goes."""
    news: dict[FactKey, str | None] = {
        key: None for key in facts if key[:1] == (FACT,) and _tunnel(key) not in intent.tunnels
    }
    for tunnel in intent.tunnels.values():
        if _key(tunnel.id) not in facts:
            news.update(recorded(tunnel, at))
    return news


def _key(tunnel: TunnelId) -> FactKey:
    return (FACT, tunnel.context, tunnel.interface, tunnel.crypto_map)


def _tunnel(key: FactKey) -> TunnelId:
    _, context, interface, crypto_map = key
    return TunnelId(context, crypto_map, interface)


def _read(text: str) -> Record:
    content = json.loads(text)
    return Record(tuple([(name, dscp) for name, dscp in content["applied"]]), content["at"])


# ===== pending =====


def pending(tunnel: Tunnel) -> list[Difference]:
    """The transform sets of a tunnel that wait for a re-apply."""
    applied = dict(tunnel.applied)
    found = [Difference(name, applied.get(name), dscp) for name, dscp in tunnel.configured]
    return [item for item in found if item.applied != item.configured]


def newly_pending(change: Change) -> Iterable[Tunnel]:
    """The tunnels that a change has left waiting, or waiting for something else than before."""
    for old, new in change.updated:
        if new.reapply_pending and pending(new) != pending(old):
            yield new


# ===== the action =====


def outcome_of(plan: Plan, live: bool) -> Outcome:
    """What carrying out the plan of a re-apply does."""
    if not plan.effects:
        return Outcome.UNCHANGED
    if not live:
        return Outcome.RECORDED
    kinds = {effect.kind for effect in plan.effects}
    rebuilt = kinds & {EffectKind.REKEY, EffectKind.RE_ESTABLISH, EffectKind.CREATE}
    return Outcome.RE_ESTABLISHED if rebuilt else Outcome.UPDATED
