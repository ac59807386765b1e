"""The workload for comparisons with a peer: the bundle's shape in a module that every server reads
(``bench/yang/bench-tunnels.yang``), because ours use features of YANG 1.1 that peers lack."""

from __future__ import annotations

from collections.abc import Iterable

from bench.workload import NC, Workload, address

NS = "urn:cryptomap:bench:tunnels"


def bundle(number: int) -> str:
    """The XML of one bundle, as children of <tunnels>."""
    name = f"b{number:06}"
    return f"""
<access-list><name>{name}</name><rule><name>r</name><action>permit</action><protocol>tcp</protocol>
  <source><prefix>{address(11, number)}/32</prefix></source>
  <destination><prefix>{address(12, number)}/32</prefix><operator>eq</operator><port>6002</port></destination></rule>
  </access-list>
<transform-set><name>{name}</name><encryption>aes-cbc-256</encryption><hmac>sha2-256-128</hmac><dscp>40</dscp>
  </transform-set>
<crypto-map><name>{name}</name><type>ikev2-ipv4</type><match-address>{name}</match-address>
  <peer>{address(13, number)}</peer><ikev2>
  <authentication><local>psk-{name}</local><remote>psk-{name}</remote></authentication>
  <ikesa><max-retransmissions>3</max-retransmissions><retransmission-timeout>5000</retransmission-timeout>
    <setup-timer>60</setup-timer><rekey>true</rekey>
    <policy><error-notification>true</error-notification></policy></ikesa>
  <payload><name>sa0</name><match>ipv4</match><transform-set>{name}</transform-set><lifetime>9000</lifetime>
    <rekey>true</rekey><rekey-keepalive>true</rekey-keepalive></payload></ikev2></crypto-map>
<interface><name>if-{name}</name><loopback>true</loopback><ipv4><address>{address(10, number)}</address></ipv4>
  <crypto-map><name>{name}</name></crypto-map></interface>"""


def config(parts: Iterable[str]) -> str:
    return f'<config xmlns="{NC}" xmlns:nc="{NC}"><tunnels xmlns="{NS}">{"".join(parts)}</tunnels></config>'


def one_leaf(number: int, dscp: int) -> str:
    return config([f"<transform-set><name>b{number:06}</name><dscp>{dscp}</dscp></transform-set>"])


def dangling(number: int) -> str:
    return config([f'<access-list nc:operation="delete"><name>b{number:06}</name></access-list>'])


def shared_rule(number: int) -> str:
    rule = f"<rule><name>r2</name><source><prefix>{address(14, number)}/32</prefix></source></rule>"
    return config([f"<access-list><name>b{number:06}</name>{rule}</access-list>"])


def one_map(number: int) -> str:
    return f'<tunnels xmlns="{NS}"><crypto-map><name>b{number:06}</name></crypto-map></tunnels>'


NEUTRAL = Workload(
    whole=lambda count: config(bundle(number) for number in range(count)),
    add=lambda number: config([bundle(number)]),
    bundle=bundle,
    one_leaf=one_leaf,
    dangling=dangling,
    shared_rule=shared_rule,
    one_map=one_map,
)
