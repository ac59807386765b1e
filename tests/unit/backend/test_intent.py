"""Secrets that stay secret, and the two DSCPs of a tunnel."""

from dataclasses import replace

from cryptomap_backend.conformance import example_tunnel
from cryptomap_backend.intent import Child, EspProposal, Secret, Tunnel, bound, carried


def with_sets(**dscps: int | None) -> Tunnel:
    proposals = tuple(EspProposal(name, dscp=dscp) for name, dscp in dscps.items())
    return replace(example_tunnel(), children=(Child("p", proposals),))


def test_a_secret_prints_redacted_and_compares_by_fingerprint() -> None:
    secret, same, other = Secret("f1", lambda: b"k1"), Secret("f1", lambda: b"x"), Secret("f2", lambda: b"k1")
    assert "k1" not in repr(secret) + str(secret) + repr(example_tunnel())
    assert secret.reveal() == b"k1"
    assert secret == same
    assert hash(secret) == hash(same)
    assert secret != other
    assert secret != "f1"


def test_a_bind_applies_what_is_configured() -> None:
    tunnel = bound(with_sets(A=0x28, B=None))
    assert tunnel.applied == (("A", 0x28), ("B", None))
    assert not tunnel.reapply_pending


def test_a_changed_dscp_is_pending_until_it_is_applied_or_set_back() -> None:
    old = bound(with_sets(A=0x28))
    changed = carried(old, with_sets(A=0x12))
    assert changed.reapply_pending
    assert changed.applied_dscp("A") == 0x28
    assert not bound(changed).reapply_pending
    assert not carried(changed, with_sets(A=0x28)).reapply_pending


def test_unset_and_zero_differ() -> None:
    assert carried(bound(with_sets(A=None)), with_sets(A=0)).reapply_pending


def test_a_transform_set_added_later_is_not_applied() -> None:
    later = carried(bound(with_sets(A=0x28)), with_sets(A=0x28, B=0x0A))
    assert later.applied_dscp("B") is None
    assert later.reapply_pending


def test_a_transform_set_that_is_gone_leaves_nothing_pending() -> None:
    assert not carried(bound(with_sets(A=0x28, B=0x0A)), with_sets(A=0x28)).reapply_pending
