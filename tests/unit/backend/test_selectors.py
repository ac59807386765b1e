"""Which tunnel takes a packet: the index against a plain search."""

from dataclasses import replace
from ipaddress import IPv4Network, ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from cryptomap_backend.conformance import example_tunnel
from cryptomap_backend.intent import Selector, Tunnel, TunnelId
from cryptomap_backend.simulator.packet import Facts, build_header, read
from cryptomap_backend.simulator.selectors import SelectorIndex, admits_inbound

prefixes = st.builds(
    lambda address, length: IPv4Network((address >> 32 - length << 32 - length if length else 0, length)),
    st.sampled_from([0x0A000001, 0x0A000101, 0x0A010001, 0xC0000201]),
    st.sampled_from([0, 8, 16, 24, 32]),
)
ports = st.sampled_from([(), ((80, 80),), ((0, 79), (81, 65535))])
selectors = st.builds(Selector, prefixes, prefixes, st.sampled_from([None, 6, 17]), ports, ports)
addresses = st.sampled_from([ip_address(value) for value in (0x0A000001, 0x0A000101, 0x0A010001, 0xC0000201)])


@st.composite
def tunnels(draw: st.DrawFn) -> Tunnel:
    name = f"map{draw(st.integers(1, 9))}"
    context = draw(st.sampled_from(["a", "b"]))
    return replace(
        example_tunnel(),
        id=TunnelId(context, name, "i"),
        selector=draw(selectors),
        preference=draw(st.integers(0, 2)),
    )


@st.composite
def packets(draw: st.DrawFn) -> Facts:
    protocol = draw(st.sampled_from([1, 6, 17]))
    port = st.sampled_from([80, 443])
    payload = draw(port).to_bytes(2, "big") + draw(port).to_bytes(2, "big")
    return read(build_header(draw(addresses), draw(addresses), protocol, 4, 0) + payload)


def takes(selector: Selector | None, facts: Facts) -> bool:
    if selector is None:
        return False
    return (
        facts.source in selector.source
        and facts.destination in selector.destination
        and selector.protocol in (None, facts.protocol)
        and (not selector.source_ports or in_ranges(facts.source_port, selector.source_ports))
        and (not selector.destination_ports or in_ranges(facts.destination_port, selector.destination_ports))
    )


def in_ranges(port: int | None, ranges: tuple[tuple[int, int], ...]) -> bool:
    return any(port is not None and low <= port <= high for low, high in ranges)


@given(st.lists(tunnels(), max_size=12, unique_by=lambda tunnel: tunnel.id), packets(), st.data())
def test_the_index_finds_what_a_search_finds(all_tunnels: list[Tunnel], facts: Facts, data: st.DataObject) -> None:
    index = SelectorIndex()
    for tunnel in all_tunnels:
        index.add(tunnel)
    gone = data.draw(st.lists(st.sampled_from(all_tunnels), unique_by=lambda tunnel: tunnel.id)) if all_tunnels else []
    for tunnel in gone:
        index.remove(tunnel)
    left = [tunnel for tunnel in all_tunnels if tunnel not in gone and tunnel.id.context == "a"]
    wanted = [tunnel for tunnel in left if takes(tunnel.selector, facts)]
    assert index.find("a", facts) == min(wanted, key=lambda tunnel: (tunnel.preference, tunnel.id), default=None)


def test_a_deny_protects_nothing() -> None:
    index = SelectorIndex()
    everything = Selector(IPv4Network("0.0.0.0/0"), IPv4Network("0.0.0.0/0"), action="deny")
    tunnel = replace(example_tunnel(), selector=everything)
    index.add(tunnel)
    facts = read(build_header(ip_address("10.0.0.1"), ip_address("10.0.0.2"), 1, 0, 0))
    assert index.find("ipsec-d", facts) is None
    index.remove(tunnel)


def test_inbound_is_the_selector_turned_round() -> None:
    selector = Selector(ip_network("10.0.0.0/24"), ip_network("192.0.2.0/24"), 6, ((8080, 8080),), ())
    there = build_header(ip_address("192.0.2.7"), ip_address("10.0.0.7"), 6, 4, 0)
    assert admits_inbound(selector, read(there + bytes.fromhex("01bb1f90")))
    assert not admits_inbound(selector, read(there + bytes.fromhex("1f9001bb")))
    back = build_header(ip_address("10.0.0.7"), ip_address("192.0.2.7"), 6, 4, 0)
    assert not admits_inbound(selector, read(back + bytes.fromhex("01bb1f90")))
