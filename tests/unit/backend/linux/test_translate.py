"""From tunnels to kernel objects, from objects to operations, and the settings behind both."""

from __future__ import annotations

import itertools
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptomap_backend.conformance import example_manual
from cryptomap_backend.intent import NO_PREFERENCE, Mode, TunnelId, bound
from cryptomap_backend.linux.egress import Egress
from cryptomap_backend.linux.objects import Add, Direction, Policy, PolicyKey, Remove, Sa, Update
from cryptomap_backend.linux.operations import operations
from cryptomap_backend.linux.ports import masked
from cryptomap_backend.linux.settings import Domain, Settings
from cryptomap_backend.linux.translate import objects, places, reqid
from cryptomap_backend.load import SettingsFault

SETTINGS = Settings.of({"contexts": {"ipsec-d": {"namespace": "gw"}}})
NUMBER = 0x10000001


@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_a_port_range_in_masks_is_exactly_the_range(one: int, other: int) -> None:
    low, high = sorted((one, other))
    blocks = masked(((low, high),))
    covered = sorted((value, value + (0xFFFF & ~mask)) for value, mask in blocks)
    assert (covered[0][0], covered[-1][1]) == (low, high)
    assert all(before[1] + 1 == after[0] for before, after in itertools.pairwise(covered))
    assert all(value & ~mask & 0xFFFF == 0 for value, mask in blocks)


def test_ports_by_example() -> None:
    assert masked(()) == ((0, 0),)
    assert masked(((4000, 4000),)) == ((4000, 0xFFFF),)
    assert masked(((1024, 2047), (0, 65535))) == ((1024, 0xFC00), (0, 0))


def test_a_manual_map_is_two_sas_and_three_policies() -> None:
    made = objects(example_manual(), NUMBER, SETTINGS)
    assert {namespace for namespace, _ in made} == {"gw"}
    inbound, outbound, *policies = made.values()
    assert isinstance(inbound, Sa)
    assert isinstance(outbound, Sa)
    assert (inbound.spi, inbound.destination, inbound.mask) == (0x1001, ip_address("192.0.2.1"), 0)
    assert (outbound.spi, outbound.source, outbound.mark, outbound.mask) == (
        0x2001,
        ip_address("192.0.2.1"),
        0x68,
        0x7F,
    )
    assert [item.key.direction for item in policies if isinstance(item, Policy)] == [
        Direction.OUT,
        Direction.IN,
        Direction.FORWARD,
    ]
    assert all(item.reqid == NUMBER for item in made.values())
    assert list(made) == places(example_manual(), SETTINGS)


def test_the_policies_look_at_both_directions_of_the_selector() -> None:
    tunnel = example_manual()
    assert tunnel.selector is not None
    selector = replace(tunnel.selector, source_ports=((500, 500),))
    keys = [key for _, key in places(replace(tunnel, selector=selector), SETTINGS)][2:]
    ours, theirs = ip_network("203.0.113.0/25"), ip_network("10.0.1.0/24")
    assert keys == [
        PolicyKey(Direction.OUT, ours, theirs, 17, (500, 0xFFFF), (0, 0)),
        PolicyKey(Direction.IN, theirs, ours, 17, (0, 0), (500, 0xFFFF)),
        PolicyKey(Direction.FORWARD, theirs, ours, 17, (0, 0), (500, 0xFFFF)),
    ]


def test_a_selector_that_does_not_permit_protects_nothing() -> None:
    tunnel = example_manual()
    assert tunnel.selector is not None
    denied = replace(tunnel, selector=replace(tunnel.selector, action="deny"))
    assert len(objects(denied, NUMBER, SETTINGS)) == 2


def test_maps_with_a_preference_come_before_those_without() -> None:
    preferences = (0, 7, 0xFFFFFFFF, NO_PREFERENCE, NO_PREFERENCE + 9)
    policies = [objects(replace(example_manual(), preference=one), NUMBER, SETTINGS) for one in preferences]
    priorities = [item.priority for made in policies for item in list(made.values())[2:3] if isinstance(item, Policy)]
    assert priorities == [0x10000, 0x10007, 0x7FFFFFFF, 0x80000000, 0x80000009]


def test_the_applied_dscp_is_what_an_sa_marks_with() -> None:
    tunnel = example_manual()
    pending = replace(bound(example_manual(dscp=0x12)), applied=tunnel.applied)
    assert objects(pending, NUMBER, SETTINGS) == objects(tunnel, NUMBER, SETTINGS)


def test_request_ids_are_stable_and_do_not_collide() -> None:
    small = replace(SETTINGS, reqids=(100, 101))
    one, two = TunnelId("c", "one", "i"), TunnelId("c", "two", "i")
    first = reqid(one, small, {}.get)
    second = reqid(two, small, {first: one}.get)
    assert {first, second} == {100, 101}
    assert reqid(one, small, {first: one, second: two}.get) == first
    with pytest.raises(ValueError, match="used up"):
        reqid(TunnelId("c", "three", "i"), small, {first: one, second: two}.get)


def test_nothing_is_done_for_what_stays() -> None:
    made = objects(example_manual(), NUMBER, SETTINGS)
    assert operations(made, made) == ()


def test_another_dscp_updates_one_sa() -> None:
    old, new = (objects(bound(example_manual(dscp=dscp)), NUMBER, SETTINGS) for dscp in (0x28, None))
    (update,) = operations(old, new)
    assert isinstance(update, Update)
    assert isinstance(update.item, Sa)
    assert (update.item.mark, update.item.mask) == (0, 0x7F)


def test_other_keys_replace_both_sas_and_no_policy() -> None:
    old = objects(example_manual(), NUMBER, SETTINGS)
    new = objects(example_manual(integrity="sha2-256-128"), NUMBER, SETTINGS)
    assert [type(item) for item in operations(old, new)] == [Remove, Add, Remove, Add]


def test_sas_come_before_their_policies_and_go_after_them() -> None:
    made = objects(example_manual(), NUMBER, SETTINGS)
    assert [isinstance(item.item, Sa) for item in operations({}, made) if isinstance(item, Add)] == [True] * 2 + [
        False
    ] * 3
    gone = [item.key for item in operations(made, {}) if isinstance(item, Remove)]
    assert [isinstance(key, PolicyKey) for key in gone] == [True] * 3 + [False] * 2


def test_transport_mode_has_no_forwarded_packets() -> None:
    tunnel = example_manual()
    (child,) = tunnel.children
    proposals = (replace(child.proposals[0], mode=Mode.TRANSPORT),)
    made = objects(replace(tunnel, children=(replace(child, proposals=proposals),)), NUMBER, SETTINGS)
    assert [key.direction for _, key in made if isinstance(key, PolicyKey)] == [Direction.OUT, Direction.IN]


def test_settings_in_words_of_the_toml_file() -> None:
    settings = Settings.of(
        {
            "helper": "/run/cryptomap/helper.sock",
            "contexts": {"a": {"namespace": "one"}},
            "devices": [{"context": "a", "device": "eth0.100", "vrf": "red", "mpls-label": 200}],
            "reqids": [5, 9],
            "mark-shift": 8,
        }
    )
    assert settings.devices == (Egress("eth0.100", "a", "one", "red", 200),)
    assert (settings.domain("a"), settings.domain("b"), settings.all_namespaces) == (
        Domain("one"),
        Domain(),
        ("", "one"),
    )
    assert (settings.reqids, settings.marks.mask) == ((5, 9), 0x7F00)


VRFS = Settings.of(
    {
        "contexts": {"ipsec-d": {"namespace": "gw"}, "second": {"namespace": "gw", "vrf-device": "red"}},
        "vrfs": [
            {"context": "ipsec-d", "vrf": "customer", "vrf-device": "blue"},
            {"context": "second", "vrf": "far", "namespace": "elsewhere"},
        ],
        "mark-shift": 1,
    }
)


def test_contexts_and_vrfs_live_in_namespaces_and_vrf_devices() -> None:
    where = [("ipsec-d", None), ("ipsec-d", "customer"), ("ipsec-d", "other"), ("second", None), ("second", "far")]
    found = [VRFS.domain(context, vrf) for context, vrf in where]
    main, red, blue, far = Domain("gw"), Domain("gw", "red"), Domain("gw", "blue"), Domain("elsewhere")
    assert found == [main, blue, main, red, far]
    assert VRFS.vrfs("gw") == ((1, "red"), (2, "blue"))
    assert [VRFS.vrf_mark(item) for item in (main, red, blue, far)] == [
        (0x000, 0xFF00),
        (0x100, 0xFF00),
        (0x200, 0xFF00),
        (0, 0),
    ]


def test_equal_tunnels_of_two_vrfs_share_no_object() -> None:
    tunnel = example_manual()
    one, other = (places(replace(tunnel, vrf=vrf), VRFS) for vrf in (None, "customer"))
    assert not set(one) & set(other)
    assert {(where, key.vrf_mark) for where, key in other} == {("gw", (0x200, 0xFF00))}
    made = objects(replace(tunnel, vrf="customer"), NUMBER, VRFS)
    assert list(made) == other
    assert {item.key.vrf_mark for item in made.values()} == {(0x200, 0xFF00)}


@pytest.mark.parametrize(
    ("settings", "culprit"),
    [
        ({"colour": 1}, "unknown linux setting colour"),
        ({"reqids": [9, 5]}, "reqids: the first is greater"),
        ({"reqids": "all"}, "reqids must be two numbers"),
        ({"mark_shift": 26}, "mark_shift must be a number from 0 to 25"),
        ({"mark_shift": True}, "mark_shift must be a number"),
        ({"table": "a; flush ruleset"}, "table must be letters, digits"),
        ({"contexts": {"a": {}}}, "contexts.a: namespace or vrf-device is missing"),
        ({"contexts": {"a": {"vrf": "red"}}}, "contexts.a: vrf is missing or unknown"),
        ({"contexts": {"a": {"vrf-device": 'red" accept'}}}, "contexts.a.vrf-device must be the name of a network"),
        ({"vrfs": {}}, "vrfs must be a list of tables"),
        ({"vrfs": [{"context": "a", "vrf-device": "red"}]}, "vrfs: vrf is missing"),
        ({"vrfs": [{"context": "a", "vrf": "v"}]}, "vrfs: namespace or vrf-device is missing"),
        ({"contexts": {"a": {"vrf-device": "red"}}, "mark_shift": 18}, "mark_shift must be at most 17 with VRF"),
        ({"contexts": {str(n): {"vrf-device": f"v{n}"} for n in range(256)}}, "at most 255 VRF devices"),
        ({"contexts": {"a": {"namespace": ""}}}, "contexts.a.namespace must be a text"),
        ({"devices": {}}, "devices must be a list"),
        ({"devices": [{"context": "a"}]}, "device is missing"),
        ({"devices": [{"context": "a", "device": "x", "mpls-label": 3}]}, "mpls-label must be a number from 16"),
    ],
)
def test_a_bad_setting_is_named(settings: dict[str, object], culprit: str) -> None:
    with pytest.raises(SettingsFault, match=culprit):
        Settings.of(settings)
