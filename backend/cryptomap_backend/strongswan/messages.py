"""From intent to VICI messages: one connection per tunnel or responder, its children, its secrets. Pure.

What VICI cannot say per connection is in :mod:`.limits`, as a declared limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from cryptomap_backend.intent import (
    Address,
    Authentication,
    Child,
    DfBit,
    EspProposal,
    Ike,
    Initiate,
    Responder,
    Secret,
    Tunnel,
)
from cryptomap_backend.linux.priorities import FIRST, policy_priority
from cryptomap_backend.plan import negotiated
from cryptomap_backend.strongswan.certificates import Certificates, Credentials
from cryptomap_backend.strongswan.names import ChildName, Item, connection_name, digest
from cryptomap_backend.strongswan.proposals import ah_proposal, esp_proposal, ike_proposal
from cryptomap_backend.strongswan.selectors import Sides, traffic_selectors

__all__ = ["Connection", "Marks", "Shared", "Translator"]

REKEY_AT = 0.9
"""Share of a lifetime at which a rekey begins at the latest; charon begins up to 10 % of the lifetime earlier."""

NEVER = 1 << 60
"""Packets that no SA lives to see."""

KILOBYTE = 1024


class Marks(Protocol):
    """How the DSCP of an SA reaches nftables: as a packet mark."""

    def text(self, dscp: int | None) -> str:
        """``value/mask`` for ``set_mark_out``."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A pre-shared key as charon shall hold it. The name changes with the key."""

    name: str
    secret: Secret
    owners: tuple[str, ...]

    def message(self) -> dict[str, Any]:
        """For ``load-shared``, the clear key included: to be sent and forgotten."""
        return {"id": self.name, "type": "IKE", "data": self.secret.reveal(), "owners": list(self.owners)}


@dataclass(frozen=True, slots=True)
class Connection:
    """All that charon shall hold for one item of the intent. ``children`` are by payload name. ``initiates`` tells
    that it is to be kept up; ``reachable`` that there is a peer to negotiate with at all.

    Where the transform sets of a payload carry different DSCPs, its child marks with that of the first set, and
    ``variants`` has one child more for each other DSCP, by payload name and DSCP: which set is used shows only when it
    has been negotiated, and then the SA is negotiated once more by the child that marks as that set says.
    """

    item: Item
    source: Tunnel | Responder
    name: str
    body: Mapping[str, Any]
    shared: tuple[Shared, ...]
    credentials: Credentials
    children: Mapping[str, ChildName]
    variants: Mapping[tuple[str, int | None], ChildName]
    initiates: bool
    reachable: bool

    def message(self) -> dict[str, Any]:
        """For ``load-conn``."""
        return {self.name: self.body}

    @property
    def child_names(self) -> frozenset[str]:
        return frozenset(map(str, (*self.children.values(), *self.variants.values())))

    @property
    def traps(self) -> frozenset[tuple[str, str]]:
        """Connection and child of each trap: what the first packet that matches brings up."""
        children = self.body["children"].items()
        return frozenset((self.name, name) for name, child in children if child["start_action"] == "trap")


@dataclass(frozen=True, slots=True)
class Translator:
    """``prefix`` is what our names begin with. ``traps`` tells whether the kernel asks for SAs when a packet matches a
    policy (user-space ESP does not), and orders overlapping policies; ``priority`` is the one of preference 0. Without
    ``marks`` SAs carry no mark; without ``certificates`` no file is read,
    which is good for comparing only."""

    prefix: str = "cryptomap"
    marks: Marks | None = None
    traps: bool = True
    certificates: Certificates | None = None
    priority: int = FIRST

    def name(self, item: Item) -> str:
        return connection_name(self.prefix, item)

    def connection(self, item: Tunnel | Responder) -> Connection:
        """Raises CertificateFault; KeyError for an algorithm without a strongSwan keyword: capabilities name none."""
        return self._tunnel(item) if isinstance(item, Tunnel) else self._responder(item)

    # ===== tunnels =====

    def _tunnel(self, tunnel: Tunnel) -> Connection:
        ike, name = tunnel.ike, self.name(tunnel.id)
        assert ike is not None
        base = (
            *(tunnel.kind, tunnel.family, tunnel.local, tunnel.remote, tunnel.natt, tunnel.vrf, tunnel.selector),
            *(ike.local, ike.remote, ike.ca_certificates, ike.proposals),
        )
        credentials = self._credentials(ike)
        version = digest(tunnel, credentials)
        children: dict[str, ChildName] = {}
        variants: dict[tuple[str, int | None], ChildName] = {}
        bodies: dict[str, dict[str, Any]] = {}
        trap = self.traps and tunnel.remote is not None and tunnel.selector is not None
        for child in tunnel.children:
            dscps = [self._mark(tunnel.applied_dscp(proposal.name)) for proposal in child.proposals]
            generation = digest(*base, child.family, negotiated(child), dscps)
            first, *others = (ChildName(child.name, generation, version, dscp) for dscp in dict.fromkeys(dscps))
            selectors = traffic_selectors(tunnel.selector, child)
            order = {"priority": str(policy_priority(tunnel.preference, self.priority))} if self.traps else {}
            body = self._child(child, selectors, first, tunnel.df_bit) | order
            children[child.name] = first
            bodies[str(first)] = body | {"start_action": "trap" if trap else "none"}
            for other in others if tunnel.remote is not None else ():
                alike = [one for one, dscp in zip(child.proposals, dscps, strict=True) if dscp == other.dscp]
                body = self._child(replace(child, proposals=tuple(alike)), selectors, other, tunnel.df_bit) | order
                variants[child.name, other.dscp] = other
                bodies[str(other)] = body | {"start_action": "none"}
        return Connection(
            item=tunnel.id,
            source=tunnel,
            name=name,
            body=_ike_body(ike, credentials, tunnel.local, tunnel.remote) | {"children": bodies},
            shared=tuple(_shared(name, ike, tunnel.local, tunnel.remote)),
            credentials=credentials,
            children=children,
            variants=variants,
            initiates=tunnel.initiate is Initiate.BIND and tunnel.remote is not None,
            reachable=tunnel.remote is not None,
        )

    # ===== responders =====

    def _responder(self, responder: Responder) -> Connection:
        ike, name = responder.ike, self.name(responder.id)
        base = (responder.local, ike, responder.natt, responder.vrf)
        credentials = self._credentials(ike)
        version = digest(responder, credentials)
        children: dict[str, ChildName] = {}
        bodies: dict[str, dict[str, Any]] = {}
        for child in responder.children:
            dscp = self._mark(child.proposals[0].dscp)
            generation = digest(*base, negotiated(child), child.family, child.tsi, child.tsr)
            name_of = children[child.name] = ChildName(child.name, generation, version, dscp)
            body = self._child(child, traffic_selectors(None, child), name_of, responder.df_bit)
            bodies[str(name_of)] = body | {"start_action": "none"}
        return Connection(
            item=responder.id,
            source=responder,
            name=name,
            body=_ike_body(ike, credentials, responder.local, None) | {"children": bodies},
            shared=tuple(_shared(name, ike, responder.local, None)),
            credentials=credentials,
            children=children,
            variants={},
            initiates=False,
            reachable=False,
        )

    # ===== parts of either =====

    def _credentials(self, ike: Ike) -> Credentials:
        return self.certificates.of(ike) if self.certificates else Credentials()

    def _mark(self, dscp: int | None) -> int | None:
        """What an SA is marked with: nothing where nothing is marked."""
        return dscp if self.marks is not None else None

    def _child(self, child: Child, selectors: Sides, name: ChildName, df_bit: DfBit) -> dict[str, Any]:
        local, remote = selectors
        body: dict[str, Any] = {
            "mode": str(child.proposals[0].mode),
            "local_ts": local,
            "remote_ts": remote,
            "dpd_action": "none",
            "close_action": "none",
            "copy_dscp": "out",
            "copy_df": "no" if df_bit is DfBit.CLEAR else "yes",
            **_child_times(child),
            **_child_volume(child),
            **_child_packets(child, int(name.generation, 16)),
            **_child_proposals(child.proposals),
        }
        if self.marks is not None:
            body["set_mark_out"] = self.marks.text(name.dscp)
        return body


def _ike_body(ike: Ike, credentials: Credentials, local: Address, remote: Address | None) -> dict[str, Any]:
    """``unique`` is "never" because identities are not: two maps to one peer share them, and an INITIAL_CONTACT (RFC
    7296 section 2.4) of one would close the SAs of the other. Duplicates are found by their connection instead."""
    body: dict[str, Any] = {
        "version": "2",
        "local_addrs": [str(local)],
        "remote_addrs": [str(remote or "%any")],
        "proposals": [ike_proposal(proposal) for proposal in ike.proposals],
        "local": _own_proof(ike.local, credentials, local),
        "remote": _peers_proof(ike.remote, credentials, remote),
        "dscp": f"{ike.dscp:06b}",
        "fragmentation": "yes" if ike.fragmentation else "no",
        "mobike": "no",
        "keyingtries": "1",
        "unique": "never",
        **_ike_times(ike),
    }
    if ike.dpd is not None:
        body["dpd_delay"] = f"{ike.dpd.interval}s"
    return body


def _own_proof(side: Authentication, credentials: Credentials, address: Address) -> dict[str, Any]:
    """Without an identity a certificate's subject is the identity."""
    if not credentials.own:
        return {"auth": "psk", "id": _identity(side, address)}
    return {"auth": "pubkey", "certs": list(credentials.own), **({"id": side.identity} if side.identity else {})}


def _peers_proof(side: Authentication, credentials: Credentials, address: Address | None) -> dict[str, Any]:
    """Without an identity whoever has a certificate of the CAs is the peer. Where lists of revoked certificates are to
    be consulted, one whose status none of them tells is refused."""
    if not credentials.authorities:
        return {"auth": "psk", "id": _identity(side, address)}
    proof = {"auth": "pubkey", "cacerts": list(credentials.authorities), "id": side.identity or "%any"}
    return proof | {"revocation": "strict"} if credentials.revoked else proof


def _identity(side: Authentication, address: Address | None) -> str:
    return side.identity or str(address or "%any")


def _ike_times(ike: Ike) -> dict[str, str]:
    """Without rekeying an IKE SA lives to its end and is then authenticated anew, which is VICI's reauthentication."""
    lifetime = min((proposal.lifetime for proposal in ike.proposals), default=86400)
    begin = int(lifetime * REKEY_AT)
    times = {"over_time": f"{lifetime - begin}s"}
    if ike.rekey:
        return times | {"rekey_time": f"{begin}s", "reauth_time": "0s"}
    return times | {"rekey_time": "0s", "reauth_time": f"{begin}s"}


def _child_times(child: Child) -> dict[str, str]:
    if child.lifetime is None:
        return {"life_time": "0s", "rekey_time": "0s", "rand_time": "0s"}
    begin = int(child.lifetime * REKEY_AT) if child.rekey else 0
    spread = child.lifetime - begin if child.rekey else 0
    return {"life_time": f"{child.lifetime}s", "rekey_time": f"{begin}s", "rand_time": f"{spread}s"}


def _child_volume(child: Child) -> dict[str, str]:
    if child.lifetime_kilobytes is None:
        return {}
    life = child.lifetime_kilobytes * KILOBYTE
    begin = int(life * REKEY_AT) if child.rekey else 0
    spread = life - begin if child.rekey else 0
    return {"life_bytes": str(life), "rekey_bytes": str(begin), "rand_bytes": str(spread)}


def _child_packets(child: Child, generation: int) -> dict[str, str]:
    """Each packet takes one sequence number. charon negotiates no child that it takes for a duplicate of a live one, so
    that two generations of one child differ in when they are rekeyed by packets: one that is not rekeyed in what it
    never lives to see, one that is in how much earlier that may begin."""
    life = child.lifetime_sequence
    if not child.rekey:
        return {"life_packets": str(life), "rekey_packets": str(NEVER + generation), "rand_packets": "0"}
    begin = int(life * REKEY_AT)
    spread = life - begin
    return {
        "life_packets": str(life),
        "rekey_packets": str(begin),
        "rand_packets": str(spread - generation % (spread // 2 + 1)),
    }


def _child_proposals(proposals: Sequence[EspProposal]) -> dict[str, list[str]]:
    found = {
        "esp_proposals": [esp_proposal(proposal) for proposal in proposals if proposal.protocol == "esp"],
        "ah_proposals": [ah_proposal(proposal) for proposal in proposals if proposal.protocol == "ah"],
    }
    return {key: texts for key, texts in found.items() if texts}


def _shared(name: str, ike: Ike, local: Address, remote: Address | None) -> Iterator[Shared]:
    """charon finds a key by both identities, and takes the one whose owners fit best for its own proof: ours names
    both, a different one of the peer's only the peer, so that it serves for checking the peer's proof alone."""
    mine, theirs = _identity(ike.local, local), _identity(ike.remote, remote)
    owners = (mine,) if theirs == "%any" else (mine, theirs)
    if ike.local.secret is not None:
        yield Shared(f"{name}#{digest(ike.local.secret, owners)}", ike.local.secret, owners)
    if ike.remote.secret is not None and ike.remote.secret != ike.local.secret:
        yield Shared(f"{name}#{digest(ike.remote.secret, owners[1:])}", ike.remote.secret, owners[1:])
