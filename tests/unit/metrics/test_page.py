"""What Prometheus scrapes, read by Prometheus' own parser."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from cryptomap.errors import AccessDenied
from cryptomap.ipsec.figures import TunnelFigures
from cryptomap.metrics.circumstances import Circumstances
from cryptomap.metrics.happenings import Happenings
from cryptomap.metrics.page import Page
from cryptomap_backend.state import Counters
from support.lab import Lab, door, open_lab
from support.web import web

DASHBOARD = Path(__file__).parents[3] / "samples" / "grafana-dashboard.json"


class Gateway:
    """Two tunnels, one of which carries more each time it is asked."""

    def __init__(self) -> None:
        self.bytes = 0

    def tunnels(self) -> list[TunnelFigures]:
        self.bytes += 100
        busy = Counters(packets_in=1, bytes_in=self.bytes, replay_failures=3)
        return [
            TunnelFigures(("isp", "foo0", "lo"), "up", busy, True),
            TunnelFigures(("isp", 'fo"o\\1', "lo"), "down", Counters(), False),
        ]

    def drift(self) -> dict[str, int]:
        return {"missing": 0, "unexpected": 0, "different": 1, "marking": 1}


class Samples:
    """The page: samples by name and labels."""

    def __init__(self, text: bytes) -> None:
        families = list(text_string_to_metric_families(text.decode()))
        self.names = {sample.name for family in families for sample in family.samples}
        self._samples = [sample for family in families for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        [found] = [s.value for s in self._samples if s.name == name and labels.items() <= s.labels.items()]
        return float(found)


@pytest_asyncio.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    registry = CollectorRegistry()
    happenings = Happenings(registry)
    found = await open_lab(tmp_path / "state", datastore={"step": happenings.step})
    found.datastores.subscribe(happenings.hear)
    found.server.performed = happenings.operation
    found.registry = registry  # type: ignore[attr-defined]
    yield found
    await found.stop()


async def page(lab: Lab, gateway: Gateway | None = None) -> Samples:
    """As a scrape sees it. The lab has doors where the product has contexts."""
    registry: CollectorRegistry = lab.registry  # type: ignore[attr-defined]
    gateway = gateway or Gateway()
    found = Page(registry, lab.server, gateway.tunnels, gateway.drift, "/doors:doors")
    return Samples(await found.read("alice"))


async def test_operations_commits_and_their_phases(lab: Lab) -> None:
    alice = await lab.connect()
    await alice.edit(door("front"))
    await alice.rpc("<commit/>")
    await alice.edit("<door><name>front</name><width>9</width></door>")
    await alice.rpc("<dance/>")
    assert (await web(lab).ask("GET", "/data/doors:doors")).status == 200
    seen = await page(lab)
    assert seen.value("cryptomap_operation_seconds_count", operation="edit-config") == 2
    assert seen.value("cryptomap_operation_errors_total", operation="edit-config", tag="invalid-value") == 1
    assert seen.value("cryptomap_operation_errors_total", operation="unknown", tag="operation-not-supported") == 1
    assert seen.value("cryptomap_operation_seconds_count", operation="restconf-get") == 1
    assert seen.value("cryptomap_commits_total", kind="commit") == 1
    for phase in ("validate", "rules", "prepare-journal", "apply-journal", "publish"):
        assert seen.value("cryptomap_commit_phase_seconds_count", phase=phase) == 1
    assert seen.value("cryptomap_last_commit") == 1
    assert seen.value("cryptomap_candidate_modified") == 0


async def test_sessions(lab: Lab) -> None:
    await lab.connect()
    await lab.connect()
    seen = await page(lab)
    assert seen.value("cryptomap_sessions", transport="netconf-ssh") == 2
    assert seen.value("cryptomap_sessions_started_total") == 2


async def test_tunnels(lab: Lab) -> None:
    gateway = Gateway()
    seen = await page(lab, gateway)
    assert [seen.value("cryptomap_tunnels", status=status) for status in ("up", "down", "waiting")] == [1, 1, 0]
    assert seen.value("cryptomap_tunnel_bytes_total", crypto_map="foo0", direction="in") == gateway.bytes
    assert seen.value("cryptomap_tunnel_replay_drops_total", crypto_map="foo0", context="isp", interface="lo") == 3
    assert seen.value("cryptomap_tunnel_reapply_pending", crypto_map="foo0") == 1
    assert seen.value("cryptomap_reapply_pending") == 1
    assert seen.value("cryptomap_tunnel_packets_total", crypto_map='fo"o\\1', direction="out") == 0
    assert [seen.value("cryptomap_drift", difference=kind) for kind in ("missing", "different", "marking")] == [0, 1, 1]


async def test_who_may_not_read_the_state_may_not_read_the_metrics(lab: Lab) -> None:
    hidden = Page(CollectorRegistry(), lab.server, Gateway().tunnels, Gateway().drift, "/ietf-netconf-acm:nacm")
    with pytest.raises(AccessDenied):
        await hidden.read("alice")
    assert b"cryptomap_tunnels" in await hidden.read("root")


async def test_each_metric_of_the_dashboard_exists(lab: Lab) -> None:
    await (await lab.connect()).rpc("<dance/>")
    await web(lab).ask("POST", "/data", {"doors:doors": {"door": [{"name": "front"}]}})
    names = (await page(lab)).names
    used = _names(json.loads(DASHBOARD.read_text()))
    assert len(used) > 10
    assert used <= names | {"cryptomap_confirmed_commits_total"}


def _names(dashboard: object) -> set[str]:
    import re

    return set(re.findall(r"\bcryptomap_[a-z_]+", json.dumps(dashboard)))


def test_registering_asks_nobody() -> None:
    asked = Circumstances(None, lambda: pytest.fail("asked"), lambda: pytest.fail("asked"))  # type: ignore[arg-type]
    assert asked.describe() == ()
