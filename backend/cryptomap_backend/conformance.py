"""The suite every backend must pass, ours or anybody's. Needs pytest.

Use::

    class TestMine(BackendConformance):
        @pytest.fixture
        def make_backend(self) -> Iterator[Backend]:
            backend = MyBackend(...)      # over an empty world
            yield backend
            backend.close()

Tunnels lead to the documentation addresses of RFC 5737, where ``make_backend`` must provide peers that answer. What a
backend declares not to have is skipped, nothing else; one without IKEv2 is tried with manual keys instead.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from random import Random
from typing import Protocol

import pytest

from cryptomap_backend.algorithms import DH_GROUPS, ENCRYPTION, INTEGRITY, PRF, key_material
from cryptomap_backend.capabilities import Feature
from cryptomap_backend.change import Change, between, change_of, with_reapplied
from cryptomap_backend.contract import ApplyFailed, Backend, Unsupported
from cryptomap_backend.intent import (
    NO_PREFERENCE,
    Authentication,
    Child,
    EspProposal,
    Ike,
    IkeProposal,
    Initiate,
    Intent,
    L2Marking,
    L2Table,
    ManualKeys,
    ManualSa,
    Secret,
    Selector,
    Tunnel,
    TunnelId,
    TunnelKind,
    bound,
    carried,
)
from cryptomap_backend.plan import EffectKind
from cryptomap_backend.state import EventKind, Observation, TunnelState, TunnelStatus

__all__ = ["PSK", "BackendConformance", "example_l2", "example_manual", "example_tunnel"]

PSK = b"a secret nobody may see"
PATIENCE = 50
"""How often the state is looked at, 0.2 s apart, before a tunnel counts as not coming up."""


def example_tunnel(number: int = 1, dscp: int | None = 0x28, initiate: Initiate = Initiate.BIND) -> Tunnel:
    """An IKEv2 tunnel to the peer 198.51.100.``number``, just bound, each number with a selector of its own."""
    authentication = Authentication(secret=Secret("conformance", lambda: PSK))
    proposal = EspProposal("A-foo", dscp=dscp)
    return bound(
        Tunnel(
            id=TunnelId("ipsec-d", f"foo{number}", "loopback"),
            kind=TunnelKind.IKEV2,
            family=4,
            local=IPv4Address("192.0.2.1"),
            remote=IPv4Address("198.51.100.0") + number,
            selector=Selector(IPv4Network("203.0.113.0/25"), IPv4Network((f"10.0.{number}.0", 24)), protocol=17),
            children=(Child("foo-sa0", (proposal,)),),
            ike=Ike((IkeProposal("ikesa-foo"),), authentication, authentication),
            initiate=initiate,
            preference=NO_PREFERENCE + number,
        )
    )


def example_manual(
    number: int = 1, encryption: str = "aes-cbc-128", integrity: str = "sha1-96", dscp: int | None = 0x28
) -> Tunnel:
    """The same endpoints with manual keys."""
    cipher, auth = key_material(encryption, integrity)

    def sa(spi: int) -> ManualSa:
        return ManualSa(spi, "esp", _key(spi, cipher), _key(~spi & 0xFFFF, auth))

    return bound(
        replace(
            example_tunnel(number),
            kind=TunnelKind.MANUAL,
            ike=None,
            children=(Child("manual", (EspProposal("M", "esp", encryption, integrity, dscp=dscp),), lifetime=None),),
            manual=ManualKeys(sa(0x1000 + number), sa(0x2000 + number)),
        )
    )


def example_l2() -> L2Marking:
    """The seed's QoS maps: DSCP 0x28 -> cos 1; in table l2Marktable cos 1, color 0 -> 802.1p 0x4, MPLS TC 6."""
    dscp_to_cos = tuple(1 if dscp == 0x28 else 0 for dscp in range(64))
    table = L2Table.of({(1, 0): (0x4, 6)})
    return L2Marking(dscp_to_cos, tables={"l2Marktable": table}, contexts={"ipsec-d": "l2Marktable"})


def _key(seed: int, size: int) -> Secret | None:
    clear = Random(seed).randbytes(size)  # noqa: S311 - test keys
    return Secret(f"manual-{seed}-{size}", lambda: clear) if size else None


class Example(Protocol):
    """Makes tunnel ``number``, its applied DSCP being ``dscp``."""

    def __call__(self, number: int = 1, dscp: int | None = 0x28) -> Tunnel: ...


class BackendConformance:
    """Subclass it, define the fixture ``make_backend``, and run pytest."""

    rounds = 25
    """Random changes of the longest test; a slow world takes fewer."""

    # ===== helpers =====

    def commit(self, backend: Backend, change: Change) -> Intent:
        """Prepare and apply; the new intent."""
        backend.apply(backend.prepare(change))
        return change.new

    def bring_up(self, backend: Backend, *tunnels: Tunnel) -> Intent:
        """These tunnels and nothing else, all up."""
        backend.reconcile(Intent())
        intent = self.commit(backend, between(Intent(), Intent.of(tunnels)))
        self.until_up(backend, [tunnel.id for tunnel in tunnels])
        return intent

    def until_up(self, backend: Backend, tunnels: Collection[TunnelId]) -> Observation:
        def up(seen: Observation) -> bool:
            return all(tunnel in seen.tunnels and seen.tunnels[tunnel].status is TunnelStatus.UP for tunnel in tunnels)

        return self.until(backend, up)

    def until(self, backend: Backend, condition: Callable[[Observation], bool]) -> Observation:
        for _ in range(PATIENCE):
            seen = backend.observe()
            if condition(seen):
                return seen
            backend.events(0.2)
        raise AssertionError(f"the state never came: {backend.observe()}")

    def state(self, backend: Backend, tunnel: TunnelId) -> TunnelState:
        return backend.observe(tunnel).tunnels[tunnel]

    @pytest.fixture
    def backend(self, make_backend: Backend) -> Iterator[Backend]:
        make_backend.reconcile(Intent())
        make_backend.events()
        yield make_backend
        make_backend.reconcile(Intent())

    @pytest.fixture
    def example(self, backend: Backend) -> Example:
        """Makes the tunnels that tests of any kind of map use: negotiated ones if the backend can, else manual."""
        if TunnelKind.IKEV2 in backend.capabilities().kinds:
            return example_tunnel
        return lambda number=1, dscp=0x28: example_manual(number, dscp=dscp)

    @pytest.fixture
    def l2(self, backend: Backend) -> L2Marking:
        """QoS maps for a backend that can program them, else those that ask for nothing."""
        return example_l2() if Feature.DOT1P in backend.capabilities().features else L2Marking()

    @pytest.fixture
    def ike(self, backend: Backend) -> None:
        """Asked for by tests that need negotiated tunnels."""
        if TunnelKind.IKEV2 not in backend.capabilities().kinds:
            pytest.skip(f"backend {backend.name} has no IKEv2")

    # ===== what it says of itself =====

    def test_capabilities_name_known_algorithms(self, backend: Backend) -> None:
        able = backend.capabilities()
        assert able.esp_encryption | able.ike_encryption | able.manual_encryption <= ENCRYPTION.keys()
        assert able.esp_integrity | able.ike_integrity | able.ah_integrity <= INTEGRITY.keys()
        assert able.ike_prf <= PRF.keys()
        assert able.dh_groups <= DH_GROUPS.keys()
        assert not {name for name in able.manual_encryption if ENCRYPTION[name].aead}, (
            "RFC 4106 forbids static GCM keys"
        )
        assert able.backend == backend.name

    def test_health_is_connected_and_names_versions(self, backend: Backend) -> None:
        health = backend.health()
        assert health.connected
        assert health.versions

    def test_an_empty_backend_observes_nothing(self, backend: Backend) -> None:
        seen = backend.observe()
        assert (dict(seen.tunnels), dict(seen.responders), seen.complete) == ({}, {}, True)

    # ===== prepare, apply, revert =====

    def test_prepare_touches_nothing(self, backend: Backend, example: Example, l2: L2Marking) -> None:
        backend.prepare(between(Intent(), Intent.of([example()], l2=l2)))
        assert not backend.observe().tunnels
        assert not backend.events()

    def test_a_bound_tunnel_comes_up_with_its_dscp(self, backend: Backend, example: Example) -> None:
        tunnel = example()
        self.bring_up(backend, tunnel)
        state = self.state(backend, tunnel.id)
        assert tunnel.ike is None or (state.ike is not None and state.ike.remote == tunnel.remote)
        assert [child.applied_dscp for child in state.children] == [0x28]
        assert state.applied == tunnel.applied

    def test_a_tunnel_that_waits_for_traffic_stays_down(self, backend: Backend, ike: None) -> None:
        tunnel = example_tunnel(initiate=Initiate.TRAFFIC)
        self.commit(backend, between(Intent(), Intent.of([tunnel])))
        assert self.state(backend, tunnel.id).status is TunnelStatus.DOWN

    def test_a_manual_tunnel_is_up_with_the_given_spis(self, backend: Backend) -> None:
        tunnel = example_manual()
        if TunnelKind.MANUAL not in backend.capabilities().kinds:
            pytest.skip(f"backend {backend.name} has no manual keys")
        self.bring_up(backend, tunnel)
        (child,) = self.state(backend, tunnel.id).children
        assert (child.spi_in, child.spi_out) == (0x1001, 0x2001)

    def test_a_change_of_one_tunnel_leaves_the_others_alone(self, backend: Backend, example: Example) -> None:
        intent = self.bring_up(backend, example(1), example(2))
        before = self.state(backend, example(2).id)
        self.commit(backend, change_of(intent, {example(1).id: None, example(3).id: example(3)}))
        after = self.until_up(backend, [example(3).id])
        assert spis(after.tunnels[example(2).id]) == spis(before)
        assert example(1).id not in after.tunnels

    def test_observing_one_tunnel_answers_that_one_only(self, backend: Backend, example: Example) -> None:
        self.bring_up(backend, example(1), example(2))
        assert set(backend.observe(example(2).id).tunnels) == {example(2).id}
        assert not backend.observe(TunnelId("no", "such", "tunnel")).tunnels

    def test_revert_restores_what_was_there(self, backend: Backend, example: Example, l2: L2Marking) -> None:
        intent = self.bring_up(backend, example(1), example(2))
        kept = spis(self.state(backend, example(2).id))
        change = change_of(intent, {example(1).id: None, example(3).id: example(3)}, l2=l2)
        plan = backend.prepare(change)
        backend.apply(plan)
        backend.revert(plan)
        seen = self.until_up(backend, intent.tunnels.keys())
        assert set(seen.tunnels) == set(intent.tunnels)
        assert seen.l2 == intent.l2
        assert spis(seen.tunnels[example(2).id]) == kept
        assert backend.reconcile(intent).is_empty

    def test_a_plan_that_starts_from_another_state_is_refused_whole(self, backend: Backend, example: Example) -> None:
        intent = self.bring_up(backend, example(1))
        plan = backend.prepare(change_of(intent, {example(2).id: example(2), example(1).id: None}))
        backend.reconcile(Intent())
        with pytest.raises(ApplyFailed):
            backend.apply(plan)
        assert not backend.observe().tunnels

    def test_what_it_cannot_do_is_refused_in_prepare(self, backend: Backend, example: Example) -> None:
        able = backend.capabilities()
        tunnel = replace(example(), children=(Child("p", (EspProposal("X", esn=True),)),))
        if Feature.ESN in able.features:
            pytest.skip(f"backend {backend.name} has ESN")
        with pytest.raises(Unsupported) as refusal:
            backend.prepare(between(Intent(), Intent.of([tunnel])))
        ((item, complaint),) = refusal.value.complaints
        assert (item, complaint.feature) == (tunnel.id, "esn")

    # ===== DSCP: only a bind or a re-apply reaches an SA =====

    def test_a_new_dscp_waits_for_the_reapply(self, backend: Backend, example: Example) -> None:
        old = example(dscp=0x28)
        intent = self.bring_up(backend, old)
        before = spis(self.state(backend, old.id))
        change = change_of(intent, {old.id: carried(old, example(dscp=0x12))})
        plan = backend.prepare(change)
        assert [(effect.kind, effect.reapply_pending) for effect in plan.effects] == [
            (EffectKind.REAPPLY_PENDING, True)
        ]
        backend.apply(plan)
        state = self.state(backend, old.id)
        assert ([child.applied_dscp for child in state.children], spis(state)) == ([0x28], before)

        self.commit(backend, with_reapplied(change.new, old.id))
        seen = self.until_up(backend, [old.id]).tunnels[old.id]
        assert [child.applied_dscp for child in seen.children] == [0x12]

    def test_a_restart_keeps_the_applied_dscp(self, backend: Backend, example: Example) -> None:
        pending = carried(example(dscp=0x28), example(dscp=0x12))
        backend.reconcile(Intent.of([pending]))
        state = self.until_up(backend, [pending.id]).tunnels[pending.id]
        assert [child.applied_dscp for child in state.children] == [0x28]

    # ===== reconcile =====

    def test_reconcile_mends_and_reports_every_difference(self, backend: Backend, example: Example) -> None:
        held = self.bring_up(backend, example(1), example(2), example(4))
        kept = spis(self.state(backend, example(4).id))
        changed = carried(example(2), example(2, dscp=0x0A))
        wanted = Intent.of([changed, example(3), example(4)], l2=held.l2)
        drift = backend.reconcile(wanted)
        assert drift.missing == (example(3).id,)
        assert drift.unexpected == (example(1).id,)
        assert drift.different == (example(2).id,)
        seen = self.until_up(backend, [example(3).id])
        assert set(seen.tunnels) == set(wanted.tunnels)
        assert spis(seen.tunnels[example(4).id]) == kept
        assert backend.reconcile(wanted).is_empty

    def test_qos_maps_are_programmed_and_reconciled(self, backend: Backend) -> None:
        if Feature.DOT1P not in backend.capabilities().features:
            pytest.skip(f"backend {backend.name} does no L2 marking")
        self.commit(backend, between(Intent(), Intent(l2=example_l2())))
        assert backend.observe().l2 == example_l2()
        assert backend.reconcile(Intent()).l2
        assert backend.observe().l2 == L2Marking()

    # ===== events, secrets, exactness =====

    def test_up_and_down_are_events(self, backend: Backend, example: Example) -> None:
        tunnel = example()
        intent = self.commit(backend, between(Intent(), Intent.of([tunnel])))
        assert self._event(backend, EventKind.TUNNEL_UP) == tunnel.id
        self.commit(backend, change_of(intent, {tunnel.id: None}))
        assert self._event(backend, EventKind.TUNNEL_DOWN) == tunnel.id

    def test_no_secret_is_ever_printed(self, backend: Backend, example: Example) -> None:
        change = between(Intent(), Intent.of([example()]))
        plan = backend.prepare(change)
        backend.apply(plan)
        seen = self.until_up(backend, [example().id])
        secrets = [PSK.decode(), *_printed_keys(example())]
        text = repr((plan, seen, backend.events(), backend.health(), backend.reconcile(Intent())))
        assert not [secret for secret in secrets if secret in text]
        assert "redacted" in text

    def test_the_effect_is_what_the_plan_says(self, backend: Backend, example: Example) -> None:
        random = Random(5)  # noqa: S311 - reproducible changes
        intent = self.bring_up(backend)
        for _ in range(self.rounds):
            before = backend.observe()
            plan = backend.prepare(_random_change(random, intent, example))
            backend.apply(plan)
            intent = plan.change.new
            after = self.until_up(backend, intent.tunnels.keys())
            for effect in plan.effects:
                old, new = before.tunnels.get(effect.tunnel), after.tunnels.get(effect.tunnel)
                _check_effect(effect.kind, old, new)
                assert effect.drops == (len(old.children) if old and _drops(effect.kind) else 0)
            for tunnel in before.tunnels.keys() - {effect.tunnel for effect in plan.effects}:
                assert spis(after.tunnels[tunnel]) == spis(before.tunnels[tunnel])

    def _event(self, backend: Backend, kind: EventKind) -> TunnelId | None:
        for _ in range(PATIENCE):
            for event in backend.events(0.2):
                if event.kind is kind:
                    return event.tunnel
        raise AssertionError(f"no event {kind}")


def spis(state: TunnelState) -> list[tuple[int, int]]:
    """The SPIs of a tunnel's child SAs: the same SPIs are the same SAs."""
    return [(child.spi_in, child.spi_out) for child in state.children]


def _printed_keys(tunnel: Tunnel) -> Iterator[str]:
    """The manual keys of a tunnel as they would look if they were printed."""
    for sa in (tunnel.manual.inbound, tunnel.manual.outbound) if tunnel.manual else ():
        for key in (sa.cipher_key, sa.auth_key):
            if key:
                yield from (repr(key.reveal())[2:-1], key.reveal().hex())


def _drops(kind: EffectKind) -> bool:
    return kind in (EffectKind.RE_ESTABLISH, EffectKind.TEARDOWN)


def _check_effect(kind: EffectKind, old: TunnelState | None, new: TunnelState | None) -> None:
    if kind is EffectKind.CREATE:
        assert old is None
        assert new is not None
    elif kind is EffectKind.TEARDOWN:
        assert new is None
    elif kind in (EffectKind.UPDATE, EffectKind.REAPPLY_PENDING):
        assert old is not None
        assert new is not None
        assert (spis(new), new.ike) == (spis(old), old.ike)
    else:
        assert old is not None
        assert new is not None
        # The SPIs of manual keys are configured, so that the same ones may be other SAs.
        assert new.ike is None or (spis(new), new.ike) != (spis(old), old.ike)


def _random_change(random: Random, intent: Intent, example: Example) -> Change:
    """One to three of five tunnels created, deleted or changed in one way."""
    wanted: dict[TunnelId, Tunnel | None] = {}
    for number in random.sample(range(1, 6), random.randint(1, 3)):
        tunnel = example(number)
        old = intent.tunnels.get(tunnel.id)
        wanted[tunnel.id] = tunnel if old is None else random.choice(_VARIATIONS)(old)
    return change_of(intent, wanted)


def _with_proposal(tunnel: Tunnel, proposal: EspProposal) -> Tunnel:
    (child,) = tunnel.children
    return carried(tunnel, replace(tunnel, children=(replace(child, proposals=(proposal,)),)))


def _other_dscp(tunnel: Tunnel) -> Tunnel:
    (proposal,) = tunnel.proposals
    return _with_proposal(tunnel, replace(proposal, dscp=((proposal.dscp or 0) + 7) % 64))


def _other_integrity(tunnel: Tunnel) -> Tunnel:
    (proposal,) = tunnel.proposals
    if tunnel.manual:
        other = example_manual(int(tunnel.id.crypto_map[3:]), proposal.encryption, _other_hash(proposal.integrity))
        return carried(tunnel, other)
    return _with_proposal(tunnel, replace(proposal, integrity=_other_hash(proposal.integrity)))


def _other_hash(integrity: str) -> str:
    return "sha2-256-128" if integrity == "sha1-96" else "sha1-96"


def _other_lifetime(tunnel: Tunnel) -> Tunnel:
    (child,) = tunnel.children
    return replace(tunnel, children=(replace(child, lifetime=(child.lifetime or 0) + 60),))


def _other_secret(tunnel: Tunnel) -> Tunnel:
    if tunnel.manual:
        inbound = tunnel.manual.inbound
        assert inbound.auth_key is not None
        other = _key(inbound.spi ^ len(inbound.auth_key.fingerprint), len(inbound.auth_key.reveal()))
        return replace(tunnel, manual=replace(tunnel.manual, inbound=replace(inbound, auth_key=other)))
    assert tunnel.ike is not None
    assert tunnel.ike.local.secret is not None
    other = Secret(tunnel.ike.local.secret.fingerprint + "'", lambda: PSK + b"'")
    authentication = Authentication(secret=other)
    return replace(tunnel, ike=replace(tunnel.ike, local=authentication, remote=authentication))


_VARIATIONS: tuple[Callable[[Tunnel], Tunnel | None], ...] = (
    lambda tunnel: None,
    bound,
    _other_dscp,
    _other_integrity,
    _other_lifetime,
    _other_secret,
)
