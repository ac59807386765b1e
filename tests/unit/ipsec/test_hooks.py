"""The backend as a participant: refusals, failures and doubts, what is left behind, and how it is mended."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import pytest

from cryptomap.datastore.transaction import OutOfSync
from cryptomap.errors import OperationFailed, RpcErrors
from cryptomap_backend.intent import TunnelId
from cryptomap_backend.simulator import Faults
from support.gateway import Site, bundle, context, contexts, crypto_map, esp_set, ike_set, ikev2, interface, sample

M = TunnelId("red", "m", "if")
DSCP = contexts(context("red", esp_set(dscp=46)))


def refusal(site: Site, inner: str = "") -> tuple[str, str | None, str]:
    """(tag, app-tag, message) of a commit that is refused."""
    with pytest.raises((OperationFailed, RpcErrors)) as refused:
        site.commit(inner or contexts(bundle()))
    error = refused.value
    if isinstance(error, RpcErrors):
        (error,) = error.errors  # type: ignore[assignment]
    return error.tag, error.app_tag, error.message  # type: ignore[union-attr]


def is_untouched(site: Site) -> bool:
    return not site.world.tunnels and not site.intent.tunnels and site.datastores.head == 0


def test_a_commit_programs_the_backend(site: Site) -> None:
    site.commit(contexts(bundle(dscp=40)))
    assert site.world.tunnels[M].tunnel == site.intent.tunnels[M]
    assert site.intent.tunnels[M].applied == (("esp", 40),)


def test_a_commit_leaves_nothing_for_the_garbage_collector(site: Site) -> None:
    """What a large change makes is taken for permanent, unseen (datastore.memory): a circle in it would be a leak."""
    site.commit(contexts(bundle(dscp=40)))
    gc.collect()
    gc.disable()
    try:
        site.commit(contexts(bundle("blue"), context("red", esp_set(dscp=46))))
        with pytest.raises(RpcErrors):
            site.commit(contexts(context("red", crypto_map(acl="nowhere"))))
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_what_is_nothing_to_the_backend_does_not_reach_it(site: Site) -> None:
    site.commit(contexts(bundle()))
    site.world.gate.set(Faults(refuse="never asked"))
    site.commit(contexts(context("red", "<description>hello</description>")))
    assert site.datastores.head == 2


def test_a_refusal_in_prepare_changes_nothing(site: Site) -> None:
    site.world.gate.set(Faults(refuse="no room for another tunnel"))
    assert refusal(site) == (
        "operation-failed",
        "backend-refused",
        "the backend refuses the change: no room for another tunnel",
    )
    assert is_untouched(site)


def test_a_backend_that_is_away_refuses_at_once(site: Site) -> None:
    site.world.gate.set(Faults(disconnected=True))
    tag, app_tag, message = refusal(site)
    assert (tag, app_tag) == ("operation-failed", "backend-unavailable")
    assert "nothing was changed" in message
    assert is_untouched(site)


def test_a_failure_in_apply_changes_nothing(site: Site) -> None:
    site.world.gate.set(Faults(fail_step=0))
    tag, app_tag, _ = refusal(site)
    assert (tag, app_tag) == ("operation-failed", "backend-failed")
    assert is_untouched(site)
    site.world.gate.set(Faults())
    site.commit(contexts(bundle()))
    assert M in site.world.tunnels


def test_a_change_that_fails_has_the_backend_compared_with_running(site: Site) -> None:
    """Somebody else may have changed the gateway behind our back, of which no event tells."""
    site.commit(contexts(bundle(dscp=40)))
    held = site.world.held()
    site.world.tunnels.clear()
    tag, app_tag, message = refusal(site, contexts(context("red", crypto_map(peer="203.0.113.9"))))
    assert (tag, app_tag) == ("operation-failed", "backend-failed")
    assert message.endswith("It is compared with running now; then try again")
    assert "could not carry out a change" in site.datastores.out_of_sync["backend"]
    site.datastores.tick()
    assert site.datastores.out_of_sync == {}
    assert site.world.held() == held
    site.commit(contexts(context("red", crypto_map(peer="203.0.113.9"))))
    assert str(site.world.tunnels[M].tunnel.remote) == "203.0.113.9"


@pytest.mark.parametrize("after", [False, True])
def test_an_unknown_outcome_is_said_and_reconciled(site: Site, after: bool) -> None:
    site.world.gate.set(Faults(lose="apply", after=after, times=1))
    with pytest.raises(OutOfSync) as unknown:
        site.commit(contexts(bundle()))
    assert (unknown.value.tag, unknown.value.app_tag) == ("rollback-failed", "out-of-sync")
    assert "backend" in site.datastores.out_of_sync
    site.datastores.tick()
    assert site.datastores.out_of_sync == {}
    assert is_untouched(site)


def test_a_journal_that_fails_takes_the_backend_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.commit(contexts(bundle(dscp=40)))
    before = site.world.observe(M).tunnels[M]
    journal = site.datastores._running._journal

    def full(prepared: object) -> None:
        journal._rollback()
        raise OperationFailed("the disk is full")

    monkeypatch.setattr(journal, "apply", full)
    with pytest.raises(OperationFailed, match="disk is full"):
        site.commit(contexts(context("red", interface(address="192.0.2.253"))))
    assert site.world.observe(M).tunnels[M] == before
    assert str(site.intent.tunnels[M].local) == "192.0.2.254"


def test_a_backend_that_is_away_at_the_start_is_reconciled_when_it_is_back(site: Site) -> None:
    site.commit(contexts(bundle()))
    site.world.gate.set(Faults(disconnected=True))
    site.restart()
    assert "backend" in site.datastores.out_of_sync
    assert set(site.intent.tunnels) == {M}
    assert site.datastores.running.root is not None
    site.world.gate.set(Faults())
    site.clock.advance(1.0)
    site.datastores.tick()
    assert site.datastores.out_of_sync == {}


def test_a_restart_brings_an_empty_world_to_running(site: Site) -> None:
    site.commit(sample("seed"))
    site.commit(contexts(context("ipsec-d", esp_set("A-foo", dscp=46))))
    expected = site.intent
    site.world.tunnels.clear()
    site.restart()
    assert site.intent == expected
    assert {item: record.tunnel for item, record in site.world.tunnels.items()} == dict(expected.tunnels)


def test_leftover_facts_go_and_missing_ones_come_with_a_reconcile(site: Site) -> None:
    site.commit(contexts(bundle(dscp=40)))
    known = ("applied-dscp", "red", "if", "m")
    stale = ("applied-dscp", "red", "if", "gone")
    site.datastores.store_facts({known: None, stale: json.dumps({"at": 0, "applied": []})})
    site.restart()
    assert set(site.datastores.facts) == {known}
    assert json.loads(site.datastores.facts[known])["applied"] == [["esp", 40]]


def test_facts_follow_the_tunnels(site: Site) -> None:
    site.commit(contexts(bundle(dscp=40)))
    assert len(site.datastores.facts) == 1
    site.commit(contexts('<context nc:operation="remove"><name>red</name></context>'))
    assert len(site.datastores.facts) == 0


def test_an_unsupported_algorithm_of_the_dry_run_names_its_transform_set(tmp_path: Path) -> None:
    """Also where the rule could not be asked, because the backend had been away."""
    site = Site(tmp_path / "state", settings={"seed": 1, "lacks": ["aes-cbc-256"]})
    site.gateway._surroundings._capabilities = None
    site.world.gate.set(Faults(lose="capabilities", times=1))
    ike = bundle().replace(ike_set(group=14), ike_set(group=14, encryption="t:aes-cbc-256"))
    with pytest.raises(RpcErrors) as refused:
        site.commit(contexts(ike))
    (error,) = refused.value.errors
    assert (error.tag, error.app_tag) == ("operation-not-supported", "unsupported-algorithm")
    assert str(error.path) == (
        "/cmc:contexts/cmc:context[cmc:name='red']/cmi:ikev2-ikesa-transform-set[cmi:name='ike']"
    )


# ===== reapply =====


def test_reapply_without_a_difference_is_unchanged(site: Site) -> None:
    site.commit(contexts(bundle(dscp=40)))
    assert site.reapply(M) == "unchanged"


def test_reapply_without_an_sa_is_recorded_for_the_next(site: Site) -> None:
    site.commit(contexts(bundle(dscp=40)))
    site.commit(DSCP)
    assert site.reapply(M) == "recorded"
    assert site.intent.tunnels[M].applied == (("esp", 46),)
    site.restart()
    assert not site.intent.tunnels[M].reapply_pending


def test_reapply_of_an_incomplete_map_says_why_not(site: Site) -> None:
    site.commit(contexts(bundle()))
    site.commit(contexts(context("red", '<interface><name>if</name><ipv4 nc:operation="remove"/></interface>')))
    with pytest.raises(OperationFailed, match="its state says what is missing"):
        site.reapply(M)


def test_a_reapply_that_cannot_be_recorded_is_taken_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.commit(contexts(bundle(dscp=40)))
    site.commit(DSCP)

    def full(facts: object) -> None:
        raise OperationFailed("the disk is full")

    monkeypatch.setattr(site.datastores, "store_facts", full)
    with pytest.raises(OperationFailed, match="disk is full"):
        site.reapply(M)
    assert site.world.tunnels[M].tunnel.applied == (("esp", 40),)
    assert site.intent.tunnels[M].reapply_pending


def test_a_reapply_of_unknown_outcome_is_reconciled(site: Site) -> None:
    site.commit(contexts(bundle(dscp=40)))
    site.commit(DSCP)
    site.world.gate.set(Faults(lose="apply", after=True, times=1))
    with pytest.raises(OperationFailed) as unknown:
        site.reapply(M)
    assert unknown.value.app_tag == "out-of-sync"
    site.datastores.tick()
    assert site.datastores.out_of_sync == {}
    assert site.world.tunnels[M].tunnel.applied == (("esp", 40),)


def test_rekey_and_a_new_proposal_keep_what_was_applied(site: Site) -> None:
    site.commit(contexts(bundle(dscp=40)))
    site.commit(DSCP)
    site.commit(contexts(context("red", esp_set("other", dscp=10), crypto_map(inner=ikev2(sets=("other",))))))
    assert site.intent.tunnels[M].applied == (("esp", 40),)
    assert site.intent.tunnels[M].applied_dscp("other") is None
