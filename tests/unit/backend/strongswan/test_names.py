"""What names in charon say, and what an edit does to the SAs: read off the generation in a child's name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptomap_backend.change import change_of, with_reapplied
from cryptomap_backend.conformance import example_tunnel
from cryptomap_backend.intent import (
    Authentication,
    DeadPeerDetection,
    DfBit,
    EspProposal,
    IkeProposal,
    Initiate,
    Intent,
    ResponderId,
    Secret,
    Tunnel,
    TunnelId,
    TunnelKind,
    bound,
    carried,
)
from cryptomap_backend.linux.marks import Marks
from cryptomap_backend.plan import EffectKind, make_plan
from cryptomap_backend.strongswan import effects
from cryptomap_backend.strongswan.messages import Translator
from cryptomap_backend.strongswan.names import LONGEST, ChildName, connection_name, digest, item_of

TRANSLATOR = Translator(marks=Marks())
WORDS = st.text(min_size=1, max_size=20)


@given(st.one_of(st.builds(TunnelId, WORDS, WORDS, WORDS), st.builds(ResponderId, WORDS, WORDS)))
@settings(max_examples=60)
def test_a_connection_tells_whose_it_is(item: TunnelId | ResponderId) -> None:
    name = connection_name("cm", item)
    if len(name) < LONGEST:
        assert item_of("cm", name) == item
    assert item_of("other", name) is None


def test_a_name_too_long_for_vici_is_cut_and_stays_unique() -> None:
    names = {connection_name("cm", TunnelId("c" * 79, "m" * 127, "i" * 78 + end)) for end in "ab"}
    assert len(names) == 2
    assert {len(name) for name in names} == {LONGEST}
    assert all(isinstance(item_of("cm", name), TunnelId) for name in names)


@pytest.mark.parametrize("dscp", [None, 0, 63])
def test_the_name_of_a_child_is_read_back(dscp: int | None) -> None:
    name = ChildName("payload #1", "0123abcd", "deadbeef", dscp)
    assert ChildName.of(str(name)) == name


def test_a_name_of_others_is_not_ours() -> None:
    assert ChildName.of("net") is None
    assert ChildName.of("net#1.2.3") is None


def test_digests_see_secrets_by_their_fingerprints() -> None:
    assert digest(Secret("a", lambda: b"1")) == digest(Secret("a", lambda: b"2"))
    assert digest(Secret("a", lambda: b"1")) != digest(Secret("b", lambda: b"1"))


# ===== effects =====


def _with_set(tunnel: Tunnel, proposal: EspProposal) -> Tunnel:
    (child,) = tunnel.children
    return carried(tunnel, replace(tunnel, children=(replace(child, proposals=(proposal,)),)))


def _with_child(tunnel: Tunnel, **changes: object) -> Tunnel:
    (child,) = tunnel.children
    return replace(tunnel, children=(replace(child, **changes),))  # type: ignore[arg-type]


def _with_ike(tunnel: Tunnel, **changes: object) -> Tunnel:
    assert tunnel.ike is not None
    return replace(tunnel, ike=replace(tunnel.ike, **changes))  # type: ignore[arg-type]


EDITS: list[tuple[str, Callable[[Tunnel], Tunnel], EffectKind]] = [
    ("lifetime", lambda old: _with_child(old, lifetime=60), EffectKind.UPDATE),
    ("dpd", lambda old: _with_ike(old, dpd=DeadPeerDetection()), EffectKind.UPDATE),
    ("ike-dscp", lambda old: _with_ike(old, dscp=46), EffectKind.UPDATE),
    ("initiate", lambda old: replace(old, initiate=Initiate.TRAFFIC), EffectKind.UPDATE),
    ("df", lambda old: replace(old, df_bit=DfBit.CLEAR), EffectKind.UPDATE),
    ("dscp", lambda old: _with_set(old, EspProposal("A-foo", dscp=7)), EffectKind.REAPPLY_PENDING),
    ("bound", lambda old: bound(_with_set(old, EspProposal("A-foo", dscp=7))), EffectKind.REKEY),
    ("set", lambda old: _with_set(old, EspProposal("A-foo", integrity="md5-96")), EffectKind.REKEY),
    ("name", lambda old: _with_set(old, EspProposal("B-foo", dscp=0x28)), EffectKind.REKEY),
    ("ike-set", lambda old: _with_ike(old, proposals=(IkeProposal("I", dh_group=14),)), EffectKind.REKEY),
    ("selector", lambda old: replace(old, selector=example_tunnel(2).selector), EffectKind.REKEY),
    ("key", lambda old: _with_ike(old, local=Authentication(secret=Secret("x", bytes))), EffectKind.RE_ESTABLISH),
    ("peer", lambda old: replace(old, remote=IPv4Address("198.51.100.9")), EffectKind.RE_ESTABLISH),
    ("kind", lambda old: replace(old, kind=TunnelKind.DYNAMIC), EffectKind.RE_ESTABLISH),
]


@pytest.mark.parametrize(("edit", "kind"), [pytest.param(edit, kind, id=name) for name, edit, kind in EDITS])
def test_the_plan_names_what_charon_does(edit: Callable[[Tunnel], Tunnel], kind: EffectKind) -> None:
    """SAs are renegotiated exactly if the generation differs, and any edit changes the version."""
    old = example_tunnel()
    new = edit(old)
    plan = make_plan(change_of(Intent.of([old]), {old.id: new}), lambda _: 1)
    (effect,) = effects.named(plan, TRANSLATOR, lambda _: 1).effects
    assert effect.kind is kind
    assert effect.drops == (1 if kind is EffectKind.RE_ESTABLISH else 0)
    before, after = (TRANSLATOR.connection(item) for item in (old, new))
    generations = [{name.generation for name in one.children.values()} for one in (before, after)]
    assert (generations[0] != generations[1]) == (kind in (EffectKind.REKEY, EffectKind.RE_ESTABLISH))
    assert before.child_names.isdisjoint(after.child_names)
    assert effects.closes(before, after) == (kind is EffectKind.RE_ESTABLISH)


def test_a_reapply_is_a_renegotiation_that_drops_nothing() -> None:
    pending = carried(example_tunnel(dscp=0x28), example_tunnel(dscp=0x12))
    plan = make_plan(with_reapplied(Intent.of([pending]), pending.id), lambda _: 1)
    (effect,) = effects.named(plan, TRANSLATOR, lambda _: 1).effects
    assert (effect.kind, effect.drops, effect.reapply_pending) == (EffectKind.REKEY, 0, False)


def test_without_marking_a_reapply_touches_no_sa() -> None:
    pending = carried(example_tunnel(dscp=0x28), example_tunnel(dscp=0x12))
    plan = make_plan(with_reapplied(Intent.of([pending]), pending.id), lambda _: 1)
    (effect,) = effects.named(plan, Translator(), lambda _: 1).effects
    assert effect.kind is EffectKind.UPDATE


def test_a_peer_that_is_not_known_has_to_come_back_by_itself() -> None:
    old = replace(example_tunnel(), kind=TunnelKind.DYNAMIC, remote=None)
    plan = make_plan(change_of(Intent.of([old]), {old.id: _with_set(old, EspProposal("B"))}), lambda _: 3)
    (effect,) = effects.named(plan, TRANSLATOR, lambda _: 3).effects
    assert (effect.kind, effect.drops, effect.reasons[-1]) == (EffectKind.RE_ESTABLISH, 3, effects.UNREACHABLE)
