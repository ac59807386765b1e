"""Events of the backend -> notifications, and what has drifted is reconciled."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from cryptomap.data.tree import Node
from cryptomap.ipsec.events import Notifications
from cryptomap_backend.intent import Intent, TunnelId
from cryptomap_backend.simulator import Faults
from cryptomap_backend.state import Event, EventKind
from support.gateway import Site, bundle, context, contexts, esp_set
from support.yang import product_schema

M = TunnelId("red", "m", "if")
PEER = ip_address("203.0.113.1")


def told(*events: Event) -> list[tuple[str, str | None, str | None]]:
    """(notification, crypto map, reason) of each announcement; the backend is asked nothing."""
    notifications = Notifications(product_schema(), Intent, lambda item: None)
    nodes = [node for event in events for node in notifications.of_event(event)]
    return [(node.schema.name, node.text("crypto-map"), reason(node)) for node in nodes]


def reason(node: Node) -> str | None:
    return node.text("reason") if node.schema.name == "tunnel-down" else None


def event(kind: EventKind, why: str = "", tunnel: TunnelId | None = M) -> Event:
    return Event(kind, 1.0, tunnel, None, why, None, PEER)


def test_up_and_down() -> None:
    assert told(event(EventKind.TUNNEL_UP), event(EventKind.TUNNEL_DOWN, "the peer left")) == [
        ("tunnel-up", "m", None),
        ("tunnel-down", "m", "the peer left"),
    ]


def test_a_tunnel_that_cannot_come_up_is_announced_with_the_error() -> None:
    assert told(event(EventKind.TUNNEL_ERROR, "no answer")) == [("tunnel-down", "m", "no answer")]


def test_the_error_of_a_tunnel_that_just_went_is_not_told_twice() -> None:
    assert told(event(EventKind.TUNNEL_DOWN, "rekey failed"), event(EventKind.TUNNEL_ERROR, "no proposal")) == [
        ("tunnel-down", "m", "rekey failed")
    ]


@pytest.mark.parametrize(
    ("kind", "sa"), [(EventKind.CHILD_REKEYED, "child-sa"), (EventKind.IKE_REKEYED, "ike-sa")], ids=["child", "ike"]
)
def test_a_rekey_is_announced_with_what_was_replaced(kind: EventKind, sa: str) -> None:
    (node,) = Notifications(product_schema(), Intent, lambda item: None).of_event(event(kind))
    assert (node.schema.name, node.text("sa"), node.text("remote-gateway")) == ("tunnel-rekeyed", sa, "203.0.113.1")


@pytest.mark.parametrize("kind", [EventKind.REAPPLY_NEEDED, EventKind.REAPPLIED])
def test_what_the_commit_tells_itself_is_not_announced(kind: EventKind) -> None:
    assert told(event(kind)) == []


def test_events_without_a_tunnel_are_not_announced() -> None:
    assert told(event(EventKind.BACKEND_LOST, tunnel=None)) == []


def test_a_pending_reapply_names_what_differs(site: Site) -> None:
    site.commit(contexts(bundle(dscp=40)))
    assert site.notifications == []
    site.commit(contexts(context("red", esp_set(dscp=46))))
    (node,) = site.notifications
    (entry,) = node.entries("applied").nodes()
    assert node.text("remote-gateway") == "203.0.113.1"
    assert (entry.text("transform-set"), entry.text("applied-dscp"), entry.text("configured-dscp")) == (
        "esp",
        "40",
        "46",
    )


def test_pending_is_told_again_only_if_it_is_another(site: Site) -> None:
    site.commit(contexts(bundle(dscp=40)))
    site.commit(contexts(context("red", esp_set(dscp=46))))
    site.commit(contexts(context("red", esp_set(hmac="t:sha2-256-128"))))
    assert len(site.notifications) == 1
    site.commit(contexts(context("red", esp_set(dscp=10))))
    assert len(site.notifications) == 2


def test_a_backend_that_comes_back_is_reconciled(site: Site) -> None:
    site.commit(contexts(bundle()))
    site.world.gate.set(Faults(disconnected=True))
    site.world.tunnels.clear()
    site.gateway.heard(event(EventKind.BACKEND_LOST, "gone", None), site.notifications.append)
    assert site.datastores.out_of_sync == {}
    site.world.gate.set(Faults())
    site.gateway.heard(event(EventKind.BACKEND_BACK, "connected again", None), site.notifications.append)
    assert "backend" in site.datastores.out_of_sync
    site.datastores.tick()
    assert site.datastores.out_of_sync == {}
    assert M in site.world.tunnels


def test_listening_ends_when_told(site: Site) -> None:
    site.gateway.stop()
    site.gateway.listen(site.notifications.append)
    assert site.notifications == []
