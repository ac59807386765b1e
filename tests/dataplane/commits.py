"""What the operators of two gateways commit, so that there is a tunnel between them."""

from __future__ import annotations

from dataplane.charon import LOCAL, PEERS, SOURCE
from dataplane.sites import Site
from support.state import NS

GATEWAY, PEER, STOLEN = "gateway.example", "peer.example", "stolen.example"
TYPES = "urn:cryptomap:yang:cryptomap-types"

CONTEXT = f"""
<contexts xmlns="{NS["ctx"]}"><context><name>ipsec-d</name>%s</context></contexts>"""

MAP = f"""
<interface><name>{{interface}}</name><ipv4><address>{{local}}</address></ipv4>
  <crypto-map xmlns="{NS["ips"]}"><name>{{name}}</name><initiate>{{initiate}}</initiate></crypto-map></interface>
<access-list xmlns="{NS["acl"]}"><name>{{name}}</name><rule><name>rule-1</name><protocol>{{protocol}}</protocol>
  {{icmp}}<source><prefix>{{source}}</prefix></source>
  <destination><prefix>{{destination}}</prefix></destination></rule></access-list>
<ikev2-ikesa-transform-set xmlns="{NS["ips"]}"><name>I-{{name}}</name>{{ike}}</ikev2-ikesa-transform-set>
<ipsec-transform-set xmlns="{NS["ips"]}"><name>E-{{name}}</name>{{esp}}</ipsec-transform-set>
<crypto-map xmlns="{NS["ips"]}"><name>{{name}}</name><type>ikev2-ipv4</type><match-address>{{name}}</match-address>
  <peer>{{peer}}</peer>
  <ikev2>
    {{proof}}
    <ikev2-ikesa><transform-set>I-{{name}}</transform-set>{{ikesa}}</ikev2-ikesa>
    <payload><name>all</name><match>ipv4</match><transform-set>E-{{name}}</transform-set>{{payload}}</payload>{{more}}
  </ikev2></crypto-map>"""
TEMPLATE = f"""
<ikev2-ikesa-transform-set xmlns="{NS["ips"]}"><name>I</name></ikev2-ikesa-transform-set>
<ipsec-transform-set xmlns="{NS["ips"]}"><name>E</name></ipsec-transform-set>
<crypto-template xmlns="{NS["ips"]}"><name>anybody</name>
  <ikev2>
    {{proof}}
    <ikev2-ikesa><transform-set>I</transform-set></ikev2-ikesa>
    <payload><name>all</name><match>ipv4</match><transform-set>E</transform-set>{{payload}}</payload>
  </ikev2></crypto-template>
<security-service xmlns="{NS["ips"]}"><name>door</name>
  <bind><address>{LOCAL}</address><crypto-template>anybody</crypto-template></bind></security-service>"""
ALWAYS = {"initiate": "on-bind", "protocol": "ip"}
DEFAULTS = ALWAYS | dict.fromkeys(("icmp", "ike", "ikesa", "esp", "payload", "more"), "")


def shared(key: str = "a pre-shared key") -> str:
    """Both sides prove themselves by a key."""
    side = f"<pre-shared-key>{key}</pre-shared-key>"
    return f"<authentication><local>{side}</local><remote>{side}</remote></authentication>"


def certified(own: str, peer: str, more: str = "") -> str:
    """We prove ourselves by a certificate, the peer by one with that identity, of the same CA."""
    return f"""
    <authentication><local><identity>{own}</identity><certificate/></local>
      <remote><identity>{peer}</identity><certificate/></remote></authentication>
    <certificate>{own}</certificate><ca-certificate>ca</ca-certificate>{more}"""


def here(number: int = 1, **changes: str) -> str:
    """A map of the gateway towards the peer of that number."""
    other = f"10.0.{number}.0/24"
    ends = {"interface": "wire", "local": LOCAL, "peer": PEERS[number - 1], "source": SOURCE, "destination": other}
    return MAP.format(**{**DEFAULTS, "proof": shared(), "name": f"foo{number}", **ends, **changes})


def there(number: int = 1, **changes: str) -> str:
    """The same map as that peer has it; it waits for the gateway."""
    own, local = f"10.0.{number}.0/24", PEERS[number - 1]
    ends = {"interface": f"wire{number}", "local": local, "peer": LOCAL, "source": own, "destination": SOURCE}
    waits = {"name": f"foo{number}", "initiate": "on-traffic"}
    return MAP.format(**{**DEFAULTS, "proof": shared(), **waits, **ends, **changes})


def configuration(*maps: str) -> str:
    return CONTEXT % "".join(maps)


def up(gateway: Site, peer: Site, **changes: str) -> None:
    """The map of the first peer, committed on both ends and up."""
    peer.commit(configuration(there(**changes)))
    gateway.commit(configuration(here(**changes)))
    gateway.hear("tunnel-up")
    peer.hear("tunnel-up")
