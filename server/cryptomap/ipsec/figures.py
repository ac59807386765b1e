"""Each tunnel in figures: its status, what it has carried, whether it waits for a re-apply."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cryptomap.ipsec.observer import Observer
from cryptomap.ipsec.state_tunnels import status_of
from cryptomap_backend.contract import BackendError
from cryptomap_backend.intent import Intent
from cryptomap_backend.state import Counters

__all__ = ["TunnelFigures", "figures"]


@dataclass(frozen=True, slots=True)
class TunnelFigures:
    """``id``: context, crypto map, interface. ``status`` is a value of the leaf of that name."""

    id: tuple[str, str, str]
    status: str
    counters: Counters
    reapply_pending: bool


def figures(intent: Intent, observer: Observer) -> Iterator[TunnelFigures]:
    """Those of all tunnels, at the cost of one question to the backend. May wait for it."""
    for item, tunnel in intent.tunnels.items():
        try:
            state = observer.tunnel(item)
        except BackendError:
            state = None
        name = (item.context, item.crypto_map, item.interface)
        status = "unknown" if state is None else status_of(tunnel, state)
        yield TunnelFigures(name, status, state.counters if state else Counters(), tunnel.reapply_pending)
