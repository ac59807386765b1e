"""From the committed tree to the typed intent: whole, or what a change asks for.

Only complete objects reach a backend: a crypto map that lacks something is bound but has no tunnel, and says what it
lacks. The DSCPs *applied* to a tunnel are no configuration: they are what the configuration said when the tunnel came
to be, or was re-applied, and come from the old intent or from the durable facts (:mod:`.applied`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from cryptomap.data import values
from cryptomap.data.tree import Node
from cryptomap.data.values import Fields
from cryptomap.ipsec import marking, nouns
from cryptomap.ipsec.ike import ike_policy
from cryptomap.ipsec.keys import Secrets
from cryptomap.ipsec.names import Config, Kind, Named
from cryptomap.ipsec.nouns import Missing
from cryptomap_backend.intent import (
    NO_PREFERENCE,
    Address,
    Applied,
    Child,
    DfBit,
    Ike,
    Initiate,
    Intent,
    ManualKeys,
    Responder,
    ResponderId,
    Selector,
    Tunnel,
    TunnelId,
    TunnelKind,
    carried,
    configured,
)

__all__ = [
    "AppliedLookup",
    "MapReading",
    "Reader",
    "ServiceReading",
    "TemplateReading",
    "as_committed",
    "followed",
    "local_gateway",
]

AppliedLookup = Callable[[TunnelId], Applied | None]
"""What was applied to a tunnel when it was last bound or re-applied; ``None`` if that is not known."""

MAP = Fields("type", "match-address", "peer", "match-preference", "control-dont-fragment")

KINDS = {"manual": TunnelKind.MANUAL, "dynamic": TunnelKind.DYNAMIC}
INITIATE = {"on-bind": Initiate.BIND, "on-traffic": Initiate.TRAFFIC}


@dataclass(frozen=True, slots=True)
class MapReading:
    """A crypto map, as far as it goes. Complete if nothing is ``missing``. ``family`` is that of the outer header,
    ``None`` where the interface decides."""

    kind: TunnelKind
    family: int | None
    remote: Address | None
    selector: Selector | None
    children: tuple[Child, ...]
    ike: Ike | None
    manual: ManualKeys | None
    df_bit: DfBit
    natt: bool
    preference: int | None
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TemplateReading:
    """A crypto template, as far as it goes."""

    ike: Ike
    children: tuple[Child, ...]
    df_bit: DfBit
    natt: bool
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ServiceReading:
    """A service that peers reach through a template; ``responder`` is ``None`` while something is ``missing``."""

    responder: Responder | None
    missing: tuple[str, ...]


class Reader:
    """Reads one configuration. Each crypto map, and each tunnel of :meth:`tunnels`, is read once, however many rules
    and bindings ask for it."""

    def __init__(self, root: Node, secrets: Secrets) -> None:
        self.config = Config(root)
        self._secrets = secrets
        self._maps: dict[Named, MapReading] = {}
        self._tunnels: dict[TunnelId, Tunnel] = {}

    # ===== crypto maps =====

    def crypto_map(self, item: Named) -> MapReading | None:
        """The crypto map of that name, ``None`` if there is none."""
        found = self._maps.get(item)
        if found is None:
            context = self.config.context(item.context)
            node = None if context is None else values.entry(context, Kind.MAP, item.name)
            if context is None or node is None:
                return None
            found = self._maps[item] = self._map(context, node)
        return found

    def _map(self, context: Node, node: Node) -> MapReading:
        missing: Missing = []
        text, acl, peer, preference, df_bit = MAP.of(node)
        kind = KINDS.get(text, TunnelKind.IKEV2)
        selector = _selector(context, acl, kind, missing)
        remote = nouns.address(peer)
        if remote is None and kind is not TunnelKind.DYNAMIC:
            missing.append("peer is not set")
        children, ike, manual = self._policy(context, node, kind, selector, missing)
        return MapReading(
            kind=kind,
            family=_family(text, remote),
            remote=remote,
            selector=selector,
            children=children,
            ike=ike,
            manual=manual,
            df_bit=nouns.DF_BITS[df_bit],
            natt=values.flag(node, "ikev2/natt"),
            preference=None if preference is None else int(preference),
            missing=tuple(missing),
        )

    def _policy(
        self, context: Node, node: Node, kind: TunnelKind, selector: Selector | None, missing: Missing
    ) -> tuple[tuple[Child, ...], Ike | None, ManualKeys | None]:
        """How packets are protected: by negotiation, or by static keys."""
        if kind is not TunnelKind.MANUAL:
            children = nouns.children(node, context, missing)
            return children, ike_policy(node, context, self._secrets, missing), None
        child = nouns.manual_child(node, context, selector.source.version if selector else 4, missing)
        proposal = next(iter(child.proposals), None)
        return (child,), None, nouns.manual_keys(node, proposal, self._secrets, missing)

    # ===== tunnels =====

    def tunnel(self, item: TunnelId) -> Tunnel | None:
        """The tunnel of a bound map, as if bound now; ``None`` if it is not bound or lacks something."""
        known = self._tunnels.get(item)
        if known is not None:
            return known
        interface = self.config.find(Kind.INTERFACE, Named(item.context, item.interface))
        binding = None if interface is None else values.entry(interface, Kind.MAP, item.crypto_map)
        crypto_map = self.crypto_map(Named(item.context, item.crypto_map))
        if interface is None or binding is None or crypto_map is None:
            return None
        place = values.keys(interface, Kind.MAP).index(item.crypto_map)
        return _tunnel(item, interface, binding, crypto_map, place)

    def why_incomplete(self, item: TunnelId) -> tuple[str, ...]:
        """What a bound map lacks to have a tunnel, in words; nothing if it has all."""
        found = self.crypto_map(Named(item.context, item.crypto_map))
        interface = self.config.find(Kind.INTERFACE, Named(item.context, item.interface))
        if found is None or interface is None:
            return ("the crypto map is not bound",)
        if local_gateway(interface, found.family) is not None:
            return found.missing
        family = "" if found.family is None else f"IPv{found.family} "
        return (*found.missing, f"interface {item.interface} has no {family}address")

    def tunnels(self) -> Iterator[Tunnel]:
        """All complete tunnels, each as if bound now."""
        for context in self.config.contexts():
            name = values.required(context, "name")
            for interface in values.entries(context, Kind.INTERFACE):
                for place, binding in enumerate(values.entries(interface, Kind.MAP)):
                    tunnel = self._bound(name, interface, binding, place)
                    if tunnel is not None:
                        self._tunnels[tunnel.id] = tunnel
                        yield tunnel

    def _bound(self, name: str, interface: Node, binding: Node, place: int) -> Tunnel | None:
        crypto_map = self.crypto_map(Named(name, values.required(binding, "name")))
        if crypto_map is None:
            return None
        item = TunnelId(name, values.required(binding, "name"), values.required(interface, "name"))
        return _tunnel(item, interface, binding, crypto_map, place)

    # ===== templates and services =====

    def template(self, item: Named) -> TemplateReading | None:
        """The crypto template of that name, ``None`` if there is none."""
        context, node = self.config.context(item.context), self.config.find(Kind.TEMPLATE, item)
        if context is None or node is None:
            return None
        missing: Missing = []
        children = nouns.template_children(node, context, missing)
        ike = ike_policy(node, context, self._secrets, missing)
        maximum = values.number(node, "max-childsa/maximum")
        return TemplateReading(
            ike=replace(ike, max_child_sa=maximum),
            children=children,
            df_bit=nouns.df_bit(node),
            natt=values.flag(node, "ikev2/natt"),
            missing=tuple(missing),
        )

    def service(self, item: Named) -> ServiceReading | None:
        """The service of that name, ``None`` if there is none."""
        node = self.config.find(Kind.SERVICE, item)
        if node is None:
            return None
        local = nouns.address(values.leaf(node, "bind/address"))
        name = values.leaf(node, "bind/crypto-template")
        template = None if name is None else self.template(Named(item.context, name))
        missing = [] if local else ["bind address is not set"]
        if name is None or template is None:
            return ServiceReading(None, (*missing, "bind crypto-template is not set"))
        missing += [f"crypto template {name}: {reason}" for reason in template.missing]
        if missing or local is None:
            return ServiceReading(None, tuple(missing))
        responder = Responder(
            ResponderId(*item), name, local, template.ike, template.children, template.df_bit, template.natt
        )
        return ServiceReading(responder, ())

    def responder(self, item: Named) -> Responder | None:
        found = self.service(item)
        return found.responder if found else None

    def responders(self) -> Iterator[Responder]:
        """All services that are complete."""
        for context in self.config.contexts():
            for service in values.entries(context, Kind.SERVICE):
                found = self.responder(Named(values.required(context, "name"), values.required(service, "name")))
                if found is not None:
                    yield found

    # ===== the whole =====

    def intent(self, applied: AppliedLookup) -> Intent:
        """Everything. A tunnel of which it is not known what was applied is taken as bound now."""
        tunnels = [as_committed(tunnel, applied(tunnel.id)) for tunnel in self.tunnels()]
        return Intent.of(tunnels, self.responders(), marking.read(self.config))


def followed(before: Tunnel | None, new: Tunnel | None) -> Tunnel | None:
    """A tunnel after a commit: what was applied stays applied; a new one takes what is configured."""
    return new if before is None or new is None else carried(before, new)


def as_committed(tunnel: Tunnel, applied: Applied | None) -> Tunnel:
    """The tunnel with what was applied to it, by default what is configured."""
    return tunnel if applied is None or applied == tunnel.applied else replace(tunnel, applied=applied)


def _selector(context: Node, name: str | None, kind: TunnelKind, missing: Missing) -> Selector | None:
    """The selector of the access list of that name."""
    if name is None:
        if kind is not TunnelKind.DYNAMIC:
            missing.append("match-address is not set")
        return None
    acl = values.entry(context, Kind.ACL, name)
    rule = None if acl is None else next(values.entries(acl, "rule"), None)
    if acl is None or rule is None:
        missing.append(f"access list {name} has no rule: no packet is selected")
        return None
    found = nouns.selector(rule, nouns.family_of(values.required(acl, "family")))
    if found.action != "permit":
        missing.append(f"the rule of access list {name} denies: no packet is selected")
    return found


def _family(kind: str, remote: Address | None) -> int | None:
    if kind.startswith("ikev2-"):
        return nouns.family_of(kind.removeprefix("ikev2-"))
    return None if remote is None else remote.version


def _tunnel(item: TunnelId, interface: Node, binding: Node, crypto_map: MapReading, place: int) -> Tunnel | None:
    local = local_gateway(interface, crypto_map.family)
    if crypto_map.missing or local is None:
        return None
    preference = crypto_map.preference
    return Tunnel(
        id=item,
        kind=crypto_map.kind,
        family=local.version,
        local=local,
        remote=crypto_map.remote,
        selector=crypto_map.selector,
        children=crypto_map.children,
        ike=crypto_map.ike,
        manual=crypto_map.manual,
        initiate=INITIATE[values.required(binding, "initiate")],
        df_bit=crypto_map.df_bit,
        natt=crypto_map.natt,
        vrf=values.leaf(interface, "vrf"),
        preference=NO_PREFERENCE + place if preference is None else preference,
        applied=configured(crypto_map.children),
    )


def local_gateway(interface: Node, family: int | None) -> Address | None:
    """The address of an interface in the family of a map; where the map has none, IPv4 before IPv6."""
    if family is not None:
        return nouns.interface_address(interface, family)
    return nouns.interface_address(interface, 4) or nouns.interface_address(interface, 6)
