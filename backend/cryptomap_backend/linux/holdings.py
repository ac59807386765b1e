"""What the backend holds: the tunnels whose objects are in the kernel, and whose which object is. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from immutables import Map

from cryptomap_backend.change import Replacement
from cryptomap_backend.contract import ApplyFailed, Refused
from cryptomap_backend.intent import Tunnel, TunnelId
from cryptomap_backend.linux.objects import Object, SaKey
from cryptomap_backend.linux.settings import Settings
from cryptomap_backend.linux.translate import Place, objects, places, reqid
from cryptomap_backend.state import Counters

__all__ = ["Holdings"]


class Holdings:
    """Changed by the commands lane only. ``tunnels`` is replaced whole, so that the reads lane sees one moment.

    ``earlier`` are the counters of SAs that a tunnel had before its present ones, so that its own never go back.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._owners: dict[int, TunnelId] = {}
        self._numbers: dict[TunnelId, int] = {}
        self._places: dict[Place, TunnelId] = {}
        self.tunnels: Map[TunnelId, Tunnel] = Map()
        self.earlier: Map[TunnelId, Counters] = Map()

    def owner(self, number: int) -> TunnelId | None:
        """Whose that request id is."""
        return self._owners.get(number)

    def at(self, place: Place) -> TunnelId | None:
        """Whose object is held at that place."""
        return self._places.get(place)

    def check(self, changes: Iterable[Replacement[Tunnel]]) -> None:
        """Raises ApplyFailed if a change does not start from what is held."""
        for item in changes:
            if self.tunnels.get(item.some.id) != item.old:
                raise ApplyFailed(f"tunnel {item.some.id} is not what the plan starts from")

    def refuse_conflicts(self, changes: Iterable[Replacement[Tunnel]]) -> None:
        """Raises Refused if after these changes two tunnels would want the same SA or policy."""
        changes = tuple(changes)
        changed = {item.some.id for item in changes}
        wanted: dict[Place, TunnelId] = {}
        for tunnel in (item.new for item in changes if item.new):
            for place in places(tunnel, self._settings):
                other = wanted.setdefault(place, tunnel.id)
                owner = self._places.get(place)
                if other == tunnel.id and owner is not None and owner not in changed:
                    other = owner
                if other != tunnel.id:
                    raise Refused(f"{tunnel.id} and {other} have the same {_what(place)} in the same {_where(place)}")

    def objects(self, tunnel: Tunnel) -> dict[Place, Object]:
        """The kernel's objects of a tunnel, held or about to be."""
        number = reqid(tunnel.id, self._settings, self.owner)
        self._owners[number], self._numbers[tunnel.id] = tunnel.id, number
        return objects(tunnel, number, self._settings)

    def enter(self, changes: Iterable[Replacement[Tunnel]], earlier: Mapping[TunnelId, Counters]) -> None:
        """The changes have been made. ``earlier`` is of tunnels that stay."""
        tunnels, counters = self.tunnels.mutate(), self.earlier.mutate()
        changes = tuple(changes)
        for item in changes:
            if item.old:
                self._forget_places(item.old)
        for item in changes:
            if item.new is None:
                tunnels.pop(item.some.id, None)
                counters.pop(item.some.id, None)
                self._owners.pop(self._numbers.pop(item.some.id, 0), None)
            else:
                tunnels[item.new.id] = item.new
                self._places.update(dict.fromkeys(places(item.new, self._settings), item.new.id))
        counters.update(earlier)
        self.tunnels, self.earlier = tunnels.finish(), counters.finish()

    def _forget_places(self, tunnel: Tunnel) -> None:
        for place in places(tunnel, self._settings):
            self._places.pop(place, None)


def _where(place: Place) -> str:
    return "VRF" if place[1].vrf_mark[0] else "network namespace"


def _what(place: Place) -> str:
    return "SPI towards the same address" if isinstance(place[1], SaKey) else "traffic selector"
