"""What a plan of the backend does to tunnels, as lines for an operator."""

from __future__ import annotations

from collections.abc import Iterator

from cryptomap.ipsec.hooks import Planned

__all__ = ["effects"]


def effects(prepared: object) -> Iterator[str]:
    """A line for each tunnel that a commit touches; none for what is no plan of a commit."""
    if not isinstance(prepared, Planned):
        return
    for effect in prepared.plan.effects:
        tunnel = effect.tunnel
        drops = f", drops {effect.drops} established child SAs" if effect.drops else ""
        reasons = f" ({'; '.join(effect.reasons)})" if effect.reasons else ""
        where = f"crypto map {tunnel.crypto_map} on interface {tunnel.interface} of context {tunnel.context}"
        yield f"{where}: {effect.kind}{drops}{reasons}"
    yield from prepared.plan.warnings
