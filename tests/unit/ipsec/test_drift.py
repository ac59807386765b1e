"""What the backend shows, compared with what running asks for: told, shown as state, counted, repaired."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest

from cryptomap.data.tree import Node
from cryptomap.ipsec.drift import MARKING, differences
from cryptomap_backend.change import between
from cryptomap_backend.intent import L2Marking, ResponderId, TunnelId
from cryptomap_backend.simulator import Faults
from cryptomap_backend.state import ResponderState, TunnelStatus
from support.gateway import FOO0, FOO1, Inline, Site, bundle, context, contexts, esp_set, sample, values

M = TunnelId("red", "m", "if")
DRIFT = "//platform/backend/drift"


class Ticking(Inline):
    """Does what is due after each function, as the writer does."""

    def __init__(self, site: Site) -> None:
        self._site = site

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        future = super().submit(function, *args)
        self._site.datastores.tick()
        return future


@pytest.fixture
def seed(site: Site) -> Site:
    site.commit(sample("seed"))
    site.gateway.attach(site.datastores, Ticking(site))  # type: ignore[arg-type]
    site.notifications.clear()
    return site


def look(site: Site, *, repairs: bool = True) -> list[tuple[str | None, str | None]]:
    """(state, detail) of what one look tells."""
    site.notifications.clear()
    site.gateway.look_for_drift(site.notifications.append, repairs=repairs)
    return [(told.text("state"), told.text("detail")) for told in site.notifications]


def named(node: Node) -> list[tuple[str | None, ...]]:
    return [
        tuple(entry.text(leaf) for leaf in ("crypto-map", "difference", "detail"))
        for entry in node.entries("tunnel").nodes()
    ]


def test_what_is_as_running_asks_is_no_drift(seed: Site) -> None:
    assert look(seed) == []
    assert values(seed.state(DRIFT)) == {"last-check": "1970-01-12T13:46:40.000Z"}
    assert seed.gateway.drift.counts() == {"missing": 0, "unexpected": 0, "different": 0, "marking": 0}


def test_a_tunnel_that_somebody_removed_is_told_and_brought_back(seed: Site) -> None:
    held = seed.world.held()
    del seed.world.tunnels[FOO0]
    assert look(seed) == [("found", "1 missing"), ("repaired", "1 tunnels were missing"), ("cleared", None)]
    assert named(seed.notifications[0]) == [("foo0", "missing", "the backend does not show it")]
    assert seed.world.held() == held
    assert values(seed.state(DRIFT))["last-repair-detail"] == "1 tunnels were missing"
    assert look(seed) == []


def test_a_backend_that_lies_is_reconciled_and_told_until_it_is_honest(seed: Site) -> None:
    """It shows nothing of what it holds: there is nothing to mend, and what is seen stays told."""
    seed.world.gate.set(Faults(lie="missing"))
    assert look(seed) == [("found", "2 missing")]
    assert seed.datastores.out_of_sync == {}
    assert look(seed) == []
    assert seed.gateway.drift.counts()["missing"] == 2
    seed.world.gate.set(Faults())
    assert look(seed) == [("cleared", None)]


def test_sas_without_their_dscp_are_different(seed: Site) -> None:
    seed.world.gate.set(Faults(lie="unmarked"))
    look(seed)
    wrong = "nothing is marked instead of A-foo with DSCP 40"
    assert named(seed.notifications[0]) == [("foo0", "different", wrong), ("foo1", "different", wrong)]


def test_who_wants_a_report_only_gets_no_repair(seed: Site) -> None:
    """It is shown since when, and told once."""
    del seed.world.tunnels[FOO0]
    assert look(seed, repairs=False) == [("found", "1 missing")]
    first = seed.state(f"{DRIFT}/tunnel").findtext("since")
    seed.clock.advance(60.0)
    assert look(seed, repairs=False) == []
    assert FOO0 not in seed.world.tunnels
    assert seed.state(f"{DRIFT}/tunnel").findtext("since") == first
    assert seed.state(DRIFT).findtext("last-check") == "1970-01-12T13:47:40.000Z"
    del seed.world.tunnels[FOO1]
    assert look(seed, repairs=False) == [("found", "2 missing")]


def test_what_nobody_asks_for_is_taken_away(seed: Site) -> None:
    """A backend of an operator who undid a commit behind our back."""
    seed.commit(contexts(bundle()))
    there = seed.intent
    seed.commit(contexts('<context nc:operation="remove"><name>red</name></context>'))
    seed.backend.apply(seed.backend.prepare(between(seed.intent, there)))
    assert look(seed)[0] == ("found", "1 unexpected")
    assert M not in seed.world.tunnels


def test_a_commit_that_is_being_made_is_no_drift(seed: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look sees the backend before a commit and the intent after it; between commits they agree."""
    before = seed.backend.observe()
    seed.commit(contexts(bundle()))
    answers = iter([before])
    honest = seed.backend.observe
    monkeypatch.setattr(seed.backend, "observe", lambda only=None: next(answers, None) or honest(only))
    assert look(seed) == []
    assert seed.gateway.drift.counts()["missing"] == 0


def test_a_reapply_that_waits_is_no_drift(seed: Site) -> None:
    seed.commit(contexts(context("ipsec-d", esp_set("A-foo", dscp=46))))
    assert look(seed) == []


def test_a_backend_that_does_not_answer_is_not_judged(seed: Site) -> None:
    seed.world.gate.set(Faults(disconnected=True))
    assert look(seed) == []
    assert seed.state("//platform/backend").find("drift") is None


def test_what_is_being_reconciled_already_is_not_looked_at(seed: Site) -> None:
    del seed.world.tunnels[FOO0]
    seed.datastores.desynchronized("backend", "it was away")
    assert look(seed) == []


def test_what_could_not_be_read_is_not_judged(seed: Site) -> None:
    seen = seed.backend.observe()
    part = replace(seen, tunnels={FOO0: seen.tunnels[FOO0]}, responders={}, l2=None)
    assert differences(seed.intent, replace(part, complete=False)) == {}
    assert set(differences(seed.intent, part)) >= {FOO1, MARKING}


def test_services_and_qos_maps_drift_too(seed: Site) -> None:
    seen, stray = seed.backend.observe(), ResponderId("isp", "stray")
    seen = replace(seen, responders={stray: ResponderState(stray, True)}, l2=replace(L2Marking(), dscp_to_cos=()))
    assert {item: found.kind for item, found in differences(seed.intent, seen).items()} == {
        stray: "unexpected",
        MARKING: "different",
    }


def test_the_backends_own_words_win(seed: Site) -> None:
    seen = seed.backend.observe()
    gone = replace(seen.tunnels[FOO0], status=TunnelStatus.ERROR, last_error="the inbound SA is gone", applied=())
    found = differences(seed.intent, replace(seen, tunnels={**seen.tunnels, FOO0: gone}))
    assert found[FOO0].detail == "the inbound SA is gone"


def test_watching_ends_when_told(seed: Site) -> None:
    seed.gateway.stop()
    seed.gateway.watch(seed.notifications.append, 0.0)
    assert seed.notifications == []
