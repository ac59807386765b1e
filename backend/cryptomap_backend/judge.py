"""Whether a backend can carry out a change: what every ``prepare`` begins with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeAlias

from cryptomap_backend.capabilities import Capabilities, Complaint
from cryptomap_backend.change import Change
from cryptomap_backend.contract import Unsupported
from cryptomap_backend.intent import Responder, ResponderId, Tunnel, TunnelId

__all__ = ["judge"]

Further: TypeAlias = Callable[[Tunnel | Responder], Iterable[Complaint]]
"""What a backend has to say of one object besides what its capabilities tell."""


def nothing(_item: Tunnel | Responder) -> Iterable[Complaint]:
    return ()


def judge(change: Change, able: Capabilities, further: Further = nothing) -> tuple[str, ...]:
    """The warnings of a change, each naming its object. Raises Unsupported with everything that cannot be done. Looks
    at what the change sets and at nothing else."""
    found: list[tuple[TunnelId | ResponderId | None, Complaint]] = []
    for tunnel in (item.new for item in change.tunnels if item.new):
        found += [(tunnel.id, complaint) for complaint in (*able.complaints(tunnel), *further(tunnel))]
    for responder in (item.new for item in change.responders if item.new):
        complaints = (*able.responder_complaints(responder), *further(responder))
        found += [(responder.id, complaint) for complaint in complaints]
    if change.l2_changed:
        found += [(None, complaint) for complaint in able.l2_complaints(change.new.l2)]
    fatal = [(item, complaint) for item, complaint in found if complaint.fatal]
    if fatal:
        raise Unsupported(fatal)
    return tuple(f"{item}: {complaint.message}" if item else complaint.message for item, complaint in found)
