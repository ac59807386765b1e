"""The workload of all benchmarks: N bundles in one context.

A bundle is a crypto map with its own ACL, transform set and interface: what an operator adds for one more peer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

NC = "urn:ietf:params:xml:ns:netconf:base:1.0"
CTX = "urn:cryptomap:yang:cryptomap-context"
ACL = "urn:cryptomap:yang:cryptomap-acl"
TYPES = "urn:cryptomap:yang:cryptomap-types"
IPS = "urn:cryptomap:yang:cryptomap-ipsec"
CONTEXT = "bench"


@dataclass(frozen=True)
class Workload:
    """One bundle and what is done with it, as XML: ``<config>`` elements, and the filter for one map."""

    bundle: Callable[[int], str]
    whole: Callable[[int], str]  # how many
    add: Callable[[int], str]
    one_leaf: Callable[[int, int], str]  # of which bundle, the new DSCP
    dangling: Callable[[int], str]
    shared_rule: Callable[[int], str]
    one_map: Callable[[int], str]

    @property
    def size(self) -> str:
        """What one bundle is."""
        text = self.bundle(0)
        return f"{len(re.findall('<[a-z]', text))} nodes and {len(text)} bytes of XML a bundle"


IKE_SET = f'<ikev2-ikesa-transform-set xmlns="{IPS}"><name>ike</name></ikev2-ikesa-transform-set>'


def address(first: int, number: int) -> str:
    """A distinct IPv4 address per bundle: ``first``.x.y.z."""
    return f"{first}.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def bundle(number: int, dscp: int = 40) -> str:
    """The XML of one bundle, as children of <context>."""
    name = f"b{number:06}"
    return f"""
<interface><name>if-{name}</name><loopback>true</loopback><ipv4><address>{address(10, number)}</address></ipv4>
  <crypto-map xmlns="{IPS}"><name>{name}</name></crypto-map></interface>
<access-list xmlns="{ACL}"><name>{name}</name><rule><name>r</name><action>permit</action><protocol>tcp</protocol>
  <source><prefix>{address(11, number)}/32</prefix></source>
  <destination><prefix>{address(12, number)}/32</prefix><operator>eq</operator><port>6002</port></destination></rule>
  </access-list>
<ipsec-transform-set xmlns="{IPS}" xmlns:t="{TYPES}"><name>{name}</name><encryption>t:aes-cbc-256</encryption>
  <hmac>t:sha2-256-128</hmac><dscp>{dscp}</dscp></ipsec-transform-set>
<crypto-map xmlns="{IPS}"><name>{name}</name><type>ikev2-ipv4</type><match-address>{name}</match-address>
  <peer>{address(13, number)}</peer><ikev2>
  <authentication><local><pre-shared-key>psk-{name}</pre-shared-key></local>
    <remote><pre-shared-key>psk-{name}</pre-shared-key></remote></authentication>
  <ikev2-ikesa><transform-set>ike</transform-set><max-retransmissions>3</max-retransmissions>
    <retransmission-timeout>5000</retransmission-timeout><setup-timer>60</setup-timer><rekey>true</rekey>
    <policy><error-notification>true</error-notification></policy></ikev2-ikesa>
  <payload><name>sa0</name><match>ipv4</match><transform-set>{name}</transform-set><lifetime>9000</lifetime>
    <rekey>true</rekey><rekey-keepalive>true</rekey-keepalive></payload></ikev2></crypto-map>"""


def config(bundles: Iterable[str], extra: str = "") -> str:
    """A <config> with these bundles in the benchmark's context."""
    body = "".join(bundles)
    return (
        f'<config xmlns="{NC}" xmlns:nc="{NC}"><contexts xmlns="{CTX}"><context><name>{CONTEXT}</name>{extra}{body}'
        f"</context></contexts></config>"
    )


def whole(count: int) -> str:
    """The configuration of N bundles."""
    return config((bundle(number) for number in range(count)), IKE_SET)


def one_leaf(number: int, dscp: int) -> str:
    """An edit of the DSCP of one bundle."""
    name = f"b{number:06}"
    return config([f'<ipsec-transform-set xmlns="{IPS}"><name>{name}</name><dscp>{dscp}</dscp></ipsec-transform-set>'])


def dangling(number: int) -> str:
    """An edit that must be refused: the ACL a map refers to is deleted."""
    name = f"b{number:06}"
    return config([f'<access-list xmlns="{ACL}" nc:operation="delete"><name>{name}</name></access-list>'])


def shared_rule(number: int) -> str:
    """An edit that must be refused by a constraint across lists: a second rule in the ACL of a crypto map."""
    name = f"b{number:06}"
    rule = f"<rule><name>r2</name><source><prefix>{address(14, number)}/32</prefix></source></rule>"
    return config([f'<access-list xmlns="{ACL}"><name>{name}</name>{rule}</access-list>'])


def one_map(number: int) -> str:
    """A subtree filter for one crypto map by its key."""
    wanted = f'<crypto-map xmlns="{IPS}"><name>b{number:06}</name></crypto-map>'
    return f'<contexts xmlns="{CTX}"><context><name>{CONTEXT}</name>{wanted}</context></contexts>'


OURS = Workload(
    bundle=bundle,
    whole=whole,
    add=lambda number: config([bundle(number)]),
    one_leaf=one_leaf,
    dangling=dangling,
    shared_rule=shared_rule,
    one_map=one_map,
)
