"""What strongSwan can do here, as capabilities, with every declared limit in a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from cryptomap_backend.algorithms import ENCRYPTION, INTEGRITY
from cryptomap_backend.capabilities import Capabilities, Complaint, DscpPolicy, Feature
from cryptomap_backend.intent import Mode, Responder, Tunnel, TunnelKind
from cryptomap_backend.linux.able import KERNEL_LIMITS
from cryptomap_backend.state import Platform
from cryptomap_backend.strongswan.proposals import loaded

__all__ = ["Daemon", "capabilities", "complaints"]

NOTES: Mapping[str, str] = {
    **KERNEL_LIMITS,
    Feature.IKE_TIMERS: "strongSwan has retransmission tries and time-outs for the whole daemon only (strongswan.conf: "
    "retransmit_tries, retransmit_timeout, retransmit_base)",
    Feature.DPD_TIMERS: "the interval is set per connection; how often and how fast a silent peer is asked again "
    "follows the daemon's retransmission settings",
    Feature.SAME_PARAMETERS: "a rekey of strongSwan proposes all transform sets again, those in use first",
    Feature.IGNORE_REKEY: "strongSwan answers every request to rekey",
    Feature.CHILD_LIMIT: "strongSwan does not count the child SAs of a peer",
    Feature.INNER_MTU: "the kernel works out the size of the largest inner packet itself (strongswan.conf: "
    "plugins.kernel-netlink.mtu, for the routes of the whole daemon)",
    Feature.SETUP_TIMER: "counted by cryptomap for tunnels that it initiates; for responders strongswan.conf: "
    "half_open_timeout counts",
    Feature.NATT: "NAT detection is always on: strongSwan cannot switch it off per connection",
    Feature.EAP: "the configuration names an EAP profile of the platform and nothing of what is in it: there is no "
    "method and no credential to load into charon",
    Feature.PSK: "of two tunnels between the same identities charon tries both keys",
    TunnelKind.MANUAL: "charon has no manual keys; backend linux does",
    "lifetimes": "an edited lifetime, preference, DF or DPD setting counts from the next negotiation on; an IKE "
    "lifetime is the smallest of the transform sets; strongSwan rekeys an idle SA too, and keeps an IKE SA whose last "
    "child SA was deleted (allow-empty-ikesa)",
    "ddos": "strongSwan protects itself by settings of the whole daemon (strongswan.conf: cookie_threshold, "
    "block_threshold, init_limit_half_open, half_open_timeout), not by those of a map (container ddos)",
    "fragments": "the size of IKE fragments is one of the whole daemon (strongswan.conf: fragment_size), as is whether "
    "certificates go as hash and URL (hash_and_url)",
    "ocsp": "strongSwan asks the responder that a certificate names if it has the plugins revocation and curl, "
    "whatever container ocsp says",
    "notifications": "strongSwan notifies the peer of all errors of RFC 7296 and RFC 5996",
    "pools": "no address is assigned to a peer, as the configuration has no pool: who asks for one (RFC 7296 section "
    "2.19) is told INTERNAL_ADDRESS_FAILURE and gets no child SA",
    "contexts": "a charon lives in one network namespace: contexts served by it share its addresses",
    "dscp": "of a payload whose transform sets carry different DSCPs, an SA is marked with that of the first set until "
    "it has been negotiated once more for the set it uses; towards peers that are not known beforehand it stays so",
}

USER_SPACE: Mapping[str, str] = {
    Feature.AH: "user-space ESP (kernel-libipsec) has no AH",
    Feature.ESN: "user-space ESP (kernel-libipsec) has no extended sequence numbers",
    Feature.INITIATE_TRAFFIC: "user-space ESP (kernel-libipsec) never asks for an SA: the tunnel waits for its peer",
    Feature.CLEAR_DF: "user-space ESP (kernel-libipsec) leaves the bit to the socket",
    Feature.PREFERENCE: "user-space ESP (kernel-libipsec) lets the narrower of two overlapping selectors win",
    Mode.TRANSPORT: "user-space ESP (kernel-libipsec) has tunnel mode only",
    "dscp": "user-space ESP (kernel-libipsec) neither copies a DSCP nor marks packets: the outer DSCP is 0",
}

NO_MARKING: Mapping[str, str] = dict.fromkeys(
    (Feature.DOT1P, Feature.MPLS_TC, Feature.DEI),
    "no marking is configured for this backend (table marking of its settings)",
)

NEVER = frozenset(
    {
        *(Feature.ECN, Feature.SET_DF, Feature.DEI, Feature.EAP, Feature.IKE_TIMERS, Feature.DPD_TIMERS),
        *(Feature.SAME_PARAMETERS, Feature.IGNORE_REKEY, Feature.CHILD_LIMIT, Feature.INNER_MTU),
    }
)
"""What no charon does."""

TOLERATED = frozenset(
    {
        *(Feature.IKE_TIMERS, Feature.DPD_TIMERS, Feature.SAME_PARAMETERS, Feature.IGNORE_REKEY, Feature.CHILD_LIMIT),
        *(Feature.INNER_MTU, Feature.PREFERENCE, Feature.INITIATE_TRAFFIC),
        *(Feature.DEI, Feature.DOT1P, Feature.MPLS_TC),
    }
)
"""A limit of these makes a warning: the tunnel does what it is for all the same."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """What charon says of itself: versions, loaded plugins, algorithms by kind."""

    version: str
    kernel: str
    plugins: frozenset[str]
    algorithms: Mapping[str, Mapping[str, str]]

    @property
    def user_space(self) -> bool:
        """True if ESP is done in charon itself."""
        return "kernel-libipsec" in self.plugins

    @property
    def versions(self) -> dict[str, str]:
        return {"strongswan": self.version, "kernel": self.kernel}

    @classmethod
    def of(cls, version: Mapping[str, Any], stats: Mapping[str, Any], algorithms: Mapping[str, Any]) -> Daemon:
        """From the answers to ``version``, ``stats`` and ``get-algorithms``."""
        return cls(version["version"], version.get("release", ""), frozenset(stats.get("plugins", ())), algorithms)


NO_REVOCATION: Mapping[str, str] = {
    Feature.CRL: "charon has not loaded its plugin revocation, without which it looks at no list",
}
NO_CERTIFICATES: Mapping[str, str] = dict.fromkeys(
    (Feature.CERTIFICATE, Feature.CRL),
    "no directory of certificates is configured for this backend (certificates of its settings)",
)


def capabilities(daemon: Daemon, marks: bool, certificates: bool = True) -> Capabilities:
    """``marks``: packets of SAs are marked and something turns marks into DSCP, PCP and TC. ``certificates``: there is
    a directory of them."""
    encryption, integrity, prf, groups = loaded(daemon.algorithms)
    lacks = set(NEVER)
    lacks |= set() if certificates else {Feature.CERTIFICATE, Feature.CRL}
    lacks |= set() if "revocation" in daemon.plugins else {Feature.CRL}
    lacks |= set() if marks else {Feature.DOT1P, Feature.MPLS_TC}
    full = Capabilities("strongswan")
    able = replace(
        full,
        kinds=frozenset({TunnelKind.IKEV2, TunnelKind.DYNAMIC}),
        ike_encryption=full.ike_encryption & encryption,
        ike_integrity=full.ike_integrity & integrity,
        ike_prf=full.ike_prf & prf,
        dh_groups=full.dh_groups & groups,
        esp_encryption=frozenset(ENCRYPTION) & encryption,
        esp_integrity=frozenset(INTEGRITY) & (integrity | {"null"}),
        ah_integrity=frozenset(INTEGRITY) & integrity,
        manual_encryption=frozenset(),
        features=full.features - lacks,
        tolerated=TOLERATED,
        dscp_policy=DscpPolicy.COPY_OR_FIXED if marks else DscpPolicy.COPY,
        versions=daemon.versions,
        platform=Platform(type="generic"),
        notes=_notes(daemon, marks, certificates),
    )
    return _in_user_space(able) if daemon.user_space else able


def _notes(daemon: Daemon, marks: bool, certificates: bool) -> dict[str, str]:
    notes: dict[str, str] = {**NOTES}
    if "revocation" not in daemon.plugins:
        notes |= NO_REVOCATION
    if not certificates:
        notes |= NO_CERTIFICATES
    if not marks:
        notes |= NO_MARKING
    return notes


def _in_user_space(able: Capabilities) -> Capabilities:
    lacks = {Feature.AH, Feature.ESN, Feature.INITIATE_TRAFFIC, Feature.CLEAR_DF, Feature.PREFERENCE}
    return replace(
        able,
        modes=frozenset({Mode.TUNNEL}),
        ah_integrity=frozenset(),
        features=able.features - lacks,
        notes={**able.notes, **USER_SPACE},
    )


def complaints(item: Tunnel | Responder, marks: bool) -> Iterator[Complaint]:
    """What no capability says: a child of charon has one mode and one mark, unless the tunnel can be negotiated once
    more from here, for another mark."""
    reachable = isinstance(item, Tunnel) and item.remote is not None
    if not reachable and item.ike is not None and item.ike.setup_timer is not None:
        yield Complaint(Feature.SETUP_TIMER, f"setup-timer: {NOTES[Feature.SETUP_TIMER]}", fatal=False)
    for child in item.children:
        dscps = {proposal.dscp for proposal in child.proposals}
        if not marks and dscps != {None}:
            yield Complaint("dscp", f"backend strongswan marks nothing here (payload {child.name})", fatal=False)
        elif len(dscps) > 1 and not reachable:
            yield Complaint("dscp", f"payload {child.name}: {NOTES['dscp']}", fatal=False)
        if len({proposal.mode for proposal in child.proposals}) > 1:
            yield Complaint(
                "mixed-modes",
                f"backend strongswan cannot offer tunnel and transport mode in one payload ({child.name})",
                child.name,
            )
