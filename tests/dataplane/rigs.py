"""The three backends with a wire to look at, each behind a server (or one for each end)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Protocol

import pytest

from cryptomap_backend.simulator import packet as ip
from dataplane import gateways as machine
from dataplane.gateways import Gateways, Seen
from dataplane.scenarios import OURS, THEIRS, Map
from dataplane.sites import Site, at, server
from support.world import WorldProcess

__all__ = ["MAKERS", "Packet", "Rig"]

UDP = 17


@dataclass(frozen=True, slots=True)
class Packet:
    """What became of one packet: its ToS byte after decryption (``None`` if it was not heard), and what was on the
    wire."""

    inner: int | None
    outer: int
    dot1p: int | None = None
    tc: int | None = None


class Rig(Protocol):
    """``sites`` are the servers of our side and of the other: two, or one that is both, or whose peers are its own."""

    sites: tuple[Site, ...]

    def send(self, maps: Sequence[Map], tos: Sequence[int]) -> dict[tuple[str, int], Packet]:
        """A packet of each ToS byte through each of these maps, which are of one place: by (map, ToS byte)."""


class Simulated:
    """The simulated gateway, which has peers for whoever asks."""

    def __init__(self, site: Site, world: WorldProcess) -> None:
        self.sites = (site,)
        self._world = world.remote

    def send(self, maps: Sequence[Map], tos: Sequence[int]) -> dict[tuple[str, int], Packet]:
        return {(item.name, byte): self._one(item, byte) for item in maps for byte in tos}

    def _one(self, item: Map, tos: int) -> Packet:
        source, destination = map(ip_address, item.inner)
        ports = (4000).to_bytes(2, "big") + item.port.to_bytes(2, "big")
        datagram = ports + (8).to_bytes(2, "big") + bytes(2)
        sent = self._world.send_packet(
            OURS.context, ip.build_header(source, destination, UDP, len(datagram), tos) + datagram
        )
        assert sent.packet is not None, sent.dropped
        assert sent.tunnel is not None
        assert sent.tunnel.crypto_map == item.name
        inner = ip.read(self._world.peer_open(sent.tunnel, sent.packet))
        return Packet(inner.tos, ip.read(sent.packet).tos, sent.l2.dot1p, sent.l2.mpls_tc)


class InMachine:
    """The kernel of the virtual machine, under backend linux or under strongSwan."""

    def __init__(self, sites: tuple[Site, ...], gateways: Gateways) -> None:
        self.sites = sites
        self._gateways = gateways

    def send(self, maps: Sequence[Map], tos: Sequence[int]) -> dict[tuple[str, int], Packet]:
        seen = self._gateways.send(tos, *maps[0].inner, ports=[item.port for item in maps])
        sent = [(item.name, byte) for item in maps for byte in tos]
        return dict(zip(sent, map(_packet, seen), strict=True))


def _packet(seen: Seen) -> Packet:
    frame = seen.ipsec
    dot1p = None if frame.pcp is None or frame.dei is None else frame.pcp << 1 | frame.dei
    return Packet(seen.heard, frame.tos, dot1p, frame.traffic_class)


# ===== making them =====


def _site(request: pytest.FixtureRequest, stack: ExitStack, backend: str, options: Mapping[str, object]) -> Site:
    directory = request.getfixturevalue("tmp_path_factory").mktemp(backend)
    daemon = server(directory, request.getfixturevalue("schema_cache"), backend, options).start()
    stack.callback(daemon.close)
    site = stack.enter_context(at(daemon))
    site.until_connected()
    return site


def _simulator(request: pytest.FixtureRequest, stack: ExitStack) -> Rig:
    world: WorldProcess = request.getfixturevalue("world")
    return Simulated(_site(request, stack, "simulator", {"socket": world.socket}), world)


def _linux(request: pytest.FixtureRequest, stack: ExitStack) -> Rig:
    """One server is both gateways: each is a context with a network namespace of its own."""
    gateways: Gateways = request.getfixturevalue("gateways")
    options = {**machine.settings(OURS.context, THEIRS.context), "helper": gateways.helper}
    site = _site(request, stack, "linux", options)
    return InMachine((site, site), gateways)


def _strongswan(request: pytest.FixtureRequest, stack: ExitStack) -> Rig:
    """A server for each charon; ours marks."""
    gateways: Gateways = request.getfixturevalue("gateways")
    left, right = request.getfixturevalue("kernel_charons")
    marking = {**machine.settings(OURS.context), "helper": gateways.helper}
    ours = _site(request, stack, "strongswan", {"socket": left.path, "timeout": 20, "marking": marking})
    theirs = _site(request, stack, "strongswan", {"socket": right.path, "timeout": 20})
    return InMachine((ours, theirs), gateways)


MAKERS = {"simulator": _simulator, "linux": _linux, "strongswan": _strongswan}
