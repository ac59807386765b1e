"""The plan of a commit is what the commit then does: tree to backend, and what the simulated gateway shows."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cryptomap.datastore.outlook import Effect, Outlook
from cryptomap.errors import RpcError, RpcErrors
from cryptomap.ipsec.effects import outlook_of
from cryptomap_backend.intent import ResponderId
from cryptomap_backend.state import Event, EventKind, Observation, TunnelState
from support.gateway import (
    URN,
    Site,
    acl,
    binding,
    context,
    contexts,
    crypto_map,
    esp_set,
    ike_set,
    ikev2,
    interface,
    leafs,
    manual,
    qos,
)
from support.stores import ALICE

SERVICE = ResponderId("red", "gate")
ON_BIND = leafs(initiate="on-bind")
REMOVE = 'nc:operation="remove"'


def numbered(number: int) -> tuple[str, str]:
    """The access list and the crypto map of that number."""
    rule = acl(f"a{number}", f"10.0.{number}.1/32", f"10.1.{number}.1/32")
    return rule, crypto_map(f"m{number}", acl=f"a{number}", peer=f"203.0.113.{number}")


def red(*inner: str) -> str:
    return contexts(context("red", *inner))


def base() -> str:
    """Three negotiated maps, one manual one, and a service; two of the maps are on the interface."""
    maps = [part for number in (1, 2, 3) for part in numbered(number)]
    keyed = (
        acl("k", "10.2.0.1/32", "10.3.0.1/32"),
        crypto_map("manual", type="manual", acl="k", inner=manual(("keyed",))),
    )
    template = f'<crypto-template xmlns="{URN}-ipsec"><name>t</name>{ikev2()}</crypto-template>'
    bind = f"<bind>{leafs(address='192.0.2.200', crypto_template='t')}</bind>"
    service = f'<security-service xmlns="{URN}-ipsec"><name>gate</name>{bind}</security-service>'
    sets = ike_set(group=14), ike_set("other", group=14), esp_set(), esp_set("second"), esp_set("keyed")
    bound = binding("m1", ON_BIND), binding("m2", ON_BIND), binding("manual")
    return red(interface("if", *bound), *sets, *maps, *keyed, template, service)


def on_map(number: int, inner: str) -> str:
    return red(f'<crypto-map xmlns="{URN}-ipsec"><name>m{number}</name>{inner}</crypto-map>')


def on_payload(number: int, inner: str) -> str:
    return on_map(number, f"<ikev2><payload><name>p</name>{inner}</payload></ikev2>")


def unbound(name: str) -> str:
    gone = f'<crypto-map xmlns="{URN}-ipsec" {REMOVE}><name>{name}</name></crypto-map>'
    return red(f"<interface><name>if</name>{gone}</interface>")


def edits() -> st.SearchStrategy[str]:
    number = st.integers(1, 3)
    sets = st.sampled_from(["esp", "second", "keyed"])
    return st.one_of(
        st.builds(lambda n: red(f"<interface><name>if</name>{binding(f'm{n}', ON_BIND)}</interface>"), number),
        st.builds(lambda n: unbound(f"m{n}"), number),
        st.just(red(f"<interface><name>if</name>{binding('manual')}</interface>")),
        st.just(unbound("manual")),
        st.builds(lambda s, dscp: red(esp_set(s, dscp=dscp)), sets, st.sampled_from([0, 10, 40])),
        st.builds(lambda s: red(esp_set(s).replace("</name>", f"</name><dscp {REMOVE}/>")), sets),
        st.builds(lambda s, h: red(esp_set(s, hmac=f"t:{h}")), sets, st.sampled_from(["sha1-96", "sha2-256-128"])),
        st.builds(lambda n: red(ike_set(lifetime=n)), st.sampled_from([3600, 7200])),
        st.builds(lambda n, peer: on_map(n, leafs(peer=f"203.0.113.{peer}")), number, st.integers(1, 9)),
        st.builds(lambda n, life: on_payload(n, leafs(lifetime=life)), number, st.sampled_from([3600, 7200])),
        st.builds(lambda n: on_payload(n, leafs(transform_set="second")), number),
        st.builds(
            lambda n, retries: on_map(
                n, f"<ikev2><ikev2-ikesa>{leafs(max_retransmissions=retries)}</ikev2-ikesa></ikev2>"
            ),
            number,
            st.integers(1, 3),
        ),
        st.builds(lambda n, net: red(acl(f"a{n}", f"10.0.{n}.{net}/32", f"10.1.{n}.1/32")), number, st.integers(1, 2)),
        st.builds(
            lambda dscp, cos: qos(f"<ip-dscp-iphb-mapping>{leafs(dscp=dscp, cos=cos)}</ip-dscp-iphb-mapping>"),
            st.sampled_from([10, 40]),
            st.integers(0, 2),
        ),
        st.builds(lambda last: red(interface("if", address=f"192.0.2.{last}")), st.sampled_from([254, 253])),
        st.just(red(f'<crypto-map xmlns="{URN}-ipsec" {REMOVE}><name>m3</name></crypto-map>')),
        st.just(red(f'<access-list xmlns="{URN}-acl" {REMOVE}><name>a1</name></access-list>')),
        st.just(red(f'<security-service xmlns="{URN}-ipsec" {REMOVE}><name>gate</name></security-service>')),
        st.just(
            red(
                f'<crypto-template xmlns="{URN}-ipsec"><name>t</name><ikev2><payload><name>p</name>'
                f"{leafs(transform_set='second')}</payload></ikev2></crypto-template>"
            )
        ),
        st.just(red("<description>nothing to a backend</description>")),
    )


def planned(site: Site) -> Outlook | list[RpcError]:
    """What the plan of the candidate says: effects, or why it would be refused."""
    try:
        rehearsal = site.datastores.rehearse(ALICE)
    except RpcErrors as errors:
        return list(errors.errors)
    outlooks = [outlook_of(site.schema)(plan) for plan in rehearsal.plans.values()]
    return outlooks[0] if outlooks else Outlook()


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(edits(), min_size=1, max_size=3), min_size=1, max_size=4))
def test_plan_and_effect_are_the_same_for_generated_changes(commits: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        site = Site(Path(directory) / "state")
        site.commit(base())
        site.world.dial_in(SERVICE, site.intent.tunnels[next(iter(site.intent.tunnels))].local)
        for changes in commits:
            for edit in changes:
                site.edit(edit)
            one_commit(site)
        site.datastores.close()


def one_commit(site: Site) -> None:
    site.backend.events()
    plan = planned(site)
    before, intent = site.backend.observe(), site.intent
    refused = committed(site)
    if refused is not None:
        assert isinstance(plan, list), "the plan said that the commit would be taken"
        assert [str(error) for error in plan] == refused
        assert (site.backend.observe(), site.intent) == (before, intent)
        return
    assert isinstance(plan, Outlook), "the plan said that the commit would be refused"
    after, events = site.backend.observe(), site.backend.events()
    check_tunnels(site, plan, before, after, events)
    check_services(plan, before, events)
    assert plan.marking == (before.l2 != after.l2)


def committed(site: Site) -> list[str] | None:
    """Commit the candidate; why it was refused."""
    try:
        site.commit()
    except RpcErrors as errors:
        return [str(error) for error in errors.errors]
    return None


def check_tunnels(
    site: Site, plan: Outlook, before: Observation, after: Observation, events: tuple[Event, ...]
) -> None:
    effects = {named(effect): effect for effect in plan.effects if effect.what == "tunnel"}
    closed = {event.tunnel for event in events if event.kind is EventKind.TUNNEL_DOWN}
    for tunnel in before.tunnels.keys() | after.tunnels.keys():
        effect, old, new = effects.pop(tuple(tunnel), None), before.tunnels.get(tunnel), after.tunnels.get(tunnel)
        if effect is None:
            assert new == old, tunnel
            continue
        assert_kind(effect, old, new, tunnel in closed)
        lost = len(old.children) if old and (new is None or tunnel in closed) else 0
        assert effect.drops == lost
        assert effect.reapply_pending == (new is not None and site.intent.tunnels[tunnel].reapply_pending)
    assert effects == {}, "effects on tunnels that neither were nor are"


def named(effect: Effect) -> tuple[str, str, str]:
    return effect.names["context"], effect.names["crypto-map"], effect.names["interface"]


def assert_kind(effect: Effect, old: TunnelState | None, new: TunnelState | None, closed: bool) -> None:
    if old is None or new is None:
        assert effect.kind == ("create" if old is None else "teardown")
    elif old.children:
        same = (sas(old), old.ike) == (sas(new), new.ike)
        seen = "re-establish" if closed else "same" if same else "rekey"
        assert {"update-in-place": "same", "reapply-pending": "same"}.get(effect.kind, effect.kind) == seen


def sas(state: TunnelState) -> list[tuple[int, int]]:
    return [(child.spi_in, child.spi_out) for child in state.children]


def check_services(plan: Outlook, before: Observation, events: tuple[Event, ...]) -> None:
    closed = {event.responder for event in events if event.kind is EventKind.SESSION_DOWN}
    state = before.responders.get(SERVICE)
    live = sum(len(session.children) for session in state.sessions) if state else 0
    dropped = sum(effect.drops for effect in plan.effects if effect.what == "service")
    assert dropped == (live if SERVICE in closed else 0)


def test_an_effect_says_where_why_and_what_is_lost(tmp_path: Path) -> None:
    site = Site(tmp_path / "state")
    site.commit(base())
    site.edit(on_map(1, leafs(peer="203.0.113.77")))
    plan = planned(site)
    assert isinstance(plan, Outlook)
    [effect] = plan.effects
    assert effect.names == {"context": "red", "crypto-map": "m1", "interface": "if"}
    assert (effect.kind, effect.reasons, effect.drops) == ("re-establish", ("the peer changes",), 1)


def test_a_plan_costs_the_change(tmp_path: Path) -> None:
    """The backend is asked about the changed tunnel only, and nothing is applied."""
    site = Site(tmp_path / "state")
    site.commit(base())
    asked: list[int] = []
    live = site.world.live
    site.world.live = lambda items: asked.append(len(items)) or live(items)  # type: ignore[method-assign,func-returns-value]
    intent = site.intent
    site.edit(on_map(1, leafs(peer="203.0.113.77")))
    planned(site)
    assert asked == [1]
    assert site.intent is intent
