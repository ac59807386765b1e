"""Random commits for a small gateway: crypto maps come, change and go, with what they need; also things no backend
hears of. A model of what should be there goes along, kept by nothing but this file."""

from __future__ import annotations

import random
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field

from support.state import NS

BASE = NS["nc"]
INTERFACE = "loopback"
SETS = ("gold", "silver", "bronze")
NAMES = tuple(f"map{number}" for number in range(12))


@dataclass
class Model:
    """What is configured: (peer, transform set) of each bound crypto map, DSCP of each transform set, cos of DSCPs."""

    maps: dict[str, tuple[str, str]] = field(default_factory=dict)
    dscp: dict[str, int | None] = field(default_factory=lambda: dict.fromkeys(SETS))
    cos: dict[int, int] = field(default_factory=dict)
    description: str = ""


def first() -> tuple[list[str], Model]:
    """The first commit: what all others need."""
    sets = "".join(
        f'<ipsec-transform-set xmlns="{NS["ips"]}"><name>{name}</name></ipsec-transform-set>' for name in SETS
    )
    ike = (
        f'<ikev2-ikesa-transform-set xmlns="{NS["ips"]}"><name>ike</name><group>14</group></ikev2-ikesa-transform-set>'
    )
    interface = f"<interface><name>{INTERFACE}</name><ipv4><address>192.0.2.254</address></ipv4></interface>"
    return [_red(f"{interface}{ike}{sets}")], Model()


def any_commit(chance: random.Random, model: Model) -> tuple[list[str], Model]:
    """One to three edits, each the content of a <config>, and the model after their commit."""
    after = deepcopy(model)
    changes = chance.sample(CHANGES, chance.choice((1, 1, 2, 3)))
    return [change(chance, after) for change in changes], after


def _red(inner: str) -> str:
    return f'<contexts xmlns="{NS["ctx"]}" xmlns:nc="{BASE}"><context><name>red</name>{inner}</context></contexts>'


def _add(chance: random.Random, model: Model) -> str:
    free = [name for name in NAMES if name not in model.maps]
    if not free:
        return _remove(chance, model)
    name, transform_set = chance.choice(free), chance.choice(SETS)
    number = NAMES.index(name) + 1
    peer = f"203.0.113.{number}"
    model.maps[name] = peer, transform_set
    secret = f"<pre-shared-key>secret-{chance.randrange(1000)}</pre-shared-key>"
    return _red(
        f'<access-list xmlns="{NS["acl"]}"><name>{name}</name><rule><name>r</name><source><prefix>10.0.{number}.0/24'
        f"</prefix></source><destination><prefix>10.1.{number}.0/24</prefix></destination></rule></access-list>"
        f'<crypto-map xmlns="{NS["ips"]}"><name>{name}</name><type>ikev2-ipv4</type><match-address>{name}'
        f"</match-address><peer>{peer}</peer><ikev2><authentication><local>{secret}</local><remote>{secret}</remote>"
        f"</authentication><ikev2-ikesa><transform-set>ike</transform-set></ikev2-ikesa><payload><name>p</name>"
        f"<match>ipv4</match><transform-set>{transform_set}</transform-set></payload></ikev2></crypto-map>"
        f'<interface><name>{INTERFACE}</name><crypto-map xmlns="{NS["ips"]}"><name>{name}</name>'
        "<initiate>on-bind</initiate></crypto-map></interface>"
    )


def _remove(chance: random.Random, model: Model) -> str:
    if not model.maps:
        return _add(chance, model)
    name = chance.choice(sorted(model.maps))
    del model.maps[name]
    gone = 'nc:operation="delete"'
    return _red(
        f'<access-list xmlns="{NS["acl"]}" {gone}><name>{name}</name></access-list>'
        f'<crypto-map xmlns="{NS["ips"]}" {gone}><name>{name}</name></crypto-map>'
        f'<interface><name>{INTERFACE}</name><crypto-map xmlns="{NS["ips"]}" {gone}><name>{name}</name></crypto-map>'
        "</interface>"
    )


def _move(chance: random.Random, model: Model) -> str:
    """Another peer for a crypto map."""
    if not model.maps:
        return _add(chance, model)
    name = chance.choice(sorted(model.maps))
    peer = f"203.0.113.{chance.randrange(100, 200)}"
    model.maps[name] = peer, model.maps[name][1]
    return _red(f'<crypto-map xmlns="{NS["ips"]}"><name>{name}</name><peer>{peer}</peer></crypto-map>')


def _mark(chance: random.Random, model: Model) -> str:
    """Another DSCP for a transform set."""
    name = chance.choice(SETS)
    model.dscp[name] = dscp = chance.choice((None, 0, 10, 26, 40, 46))
    leaf = '<dscp nc:operation="remove"/>' if dscp is None else f"<dscp>{dscp}</dscp>"
    return _red(f'<ipsec-transform-set xmlns="{NS["ips"]}"><name>{name}</name>{leaf}</ipsec-transform-set>')


def _map_cos(chance: random.Random, model: Model) -> str:
    dscp, cos = chance.choice((10, 26, 40, 46)), chance.randrange(8)
    model.cos[dscp] = cos
    row = f"<ip-dscp-iphb-mapping><dscp>{dscp}</dscp><cos>{cos}</cos></ip-dscp-iphb-mapping>"
    return f'<qos xmlns="{NS["qos"]}">{row}</qos>'


def _describe(chance: random.Random, model: Model) -> str:
    """Something that is nothing to a backend."""
    model.description = f"change {chance.randrange(10**6)}"
    return _red(f"<description>{model.description}</description>")


CHANGES: tuple[Callable[[random.Random, Model], str], ...] = (_add, _remove, _move, _mark, _map_cos, _describe)
