"""From records to what observe() answers, truthfully or, as a fault, not."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cryptomap_backend.intent import TunnelId
from cryptomap_backend.state import Observation, TunnelState

if TYPE_CHECKING:
    from cryptomap_backend.simulator.world import World

__all__ = ["observation"]


def observation(world: World, only: TunnelId | None, now: float, lie: str | None) -> Observation:
    """Everything, or one tunnel at the cost of one."""
    if only is not None:
        record = world.tunnels.get(only)
        tunnels = {only: record.state()} if record else {}
        return Observation(now, _bent(tunnels, lie))
    tunnels = {tunnel: record.state() for tunnel, record in world.tunnels.items()}
    responders = {responder: record.state() for responder, record in world.responders.items()}
    return Observation(now, _bent(tunnels, lie), responders, world.l2)


def _bent(tunnels: dict[TunnelId, TunnelState], lie: str | None) -> dict[TunnelId, TunnelState]:
    if lie == "missing":
        return {}
    if lie == "unmarked":
        return {tunnel: _unmarked(state) for tunnel, state in tunnels.items()}
    return tunnels


def _unmarked(state: TunnelState) -> TunnelState:
    children = tuple([replace(child, applied_dscp=None) for child in state.children])
    return replace(state, children=children, applied=())
