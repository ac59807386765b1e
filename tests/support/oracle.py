"""What must be true of a server that was killed and started again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from lxml import etree

from cryptomap.data.validation import validate
from cryptomap.data.xml import read_config
from cryptomap.datastore.secrets import Vault
from cryptomap.ipsec.read import Reader
from cryptomap_backend.intent import Intent, TunnelId
from support.random_commits import INTERFACE, Model
from support.server import Daemon
from support.world import WorldProcess
from support.yang import product_schema


@dataclass(frozen=True)
class Moment:
    """The configuration at one time, as the server tells it and as the test thinks it is."""

    running: str
    model: Model


@dataclass(frozen=True)
class There:
    """What the world held at one time."""

    held: Intent
    spis: dict[TunnelId, list[tuple[int, int]]]

    @classmethod
    def of(cls, world: WorldProcess) -> There:
        return cls(world.remote.held(), world.spis())


def asked_by(daemon: Daemon, running: str) -> Intent:
    """What a configuration asks of a gateway, keys included, read apart from the server."""
    return _asked_by(daemon.state / "secrets.key", running)


@lru_cache(maxsize=32)
def _asked_by(key_file: Path, running: str) -> Intent:
    vault = Vault.open(key_file, create=False)
    schema = product_schema()
    root = read_config(schema, etree.fromstring(running), vault)
    return Reader(validate(schema, root, None).root, vault).intent(lambda _: None)


def without_applied(intent: Intent) -> Intent:
    """What was applied is no part of the configuration; it is compared apart."""
    return Intent.of(
        (replace(tunnel, applied=()) for tunnel in intent.tunnels.values()), intent.responders.values(), intent.l2
    )


def assert_world_is(daemon: Daemon, world: WorldProcess, now: Moment) -> There:
    """Tunnel by tunnel, with all parameters and keys; and once more, coarsely, against the model."""
    there = There.of(world)
    assert without_applied(there.held) == without_applied(asked_by(daemon, now.running))
    tunnels = {item.crypto_map: tunnel for item, tunnel in there.held.tunnels.items()}
    assert {name: (str(t.remote), t.children[0].proposals[0].name) for name, t in tunnels.items()} == now.model.maps
    for tunnel in tunnels.values():
        assert tunnel.children[0].proposals[0].dscp == now.model.dscp[tunnel.children[0].proposals[0].name]
    assert {dscp: there.held.l2.dscp_to_cos[dscp] for dscp in now.model.cos} == now.model.cos
    assert {item.interface for item in there.held.tunnels} <= {INTERFACE}
    return there


def assert_untouched_tunnels_stayed(daemon: Daemon, was: There, moments: Iterable[Moment], now: There) -> None:
    """Neither a crash nor the restart renegotiates a tunnel that is the same at all these moments, or forgets what was
    applied."""
    first, *others = [asked_by(daemon, moment.running).tunnels for moment in moments]
    for item, tunnel in first.items():
        if all(other.get(item) == tunnel for other in others):
            assert now.spis[item] == was.spis[item], item
            assert now.held.tunnels[item].applied == was.held.tunnels[item].applied, item
