"""What a backend can do, as data, and the one judgement made of it: what of an object it cannot do.

The same judgement serves the commit rule ``backend-capability``, the dry run and the backend's own prepare, so that
they cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cryptomap_backend.algorithms import DH_GROUPS, ENCRYPTION, INTEGRITY, PRF
from cryptomap_backend.intent import (
    NO_PREFERENCE,
    SEQUENCE_LIFETIME,
    Child,
    DeadPeerDetection,
    DfBit,
    EspProposal,
    Ike,
    IkeProposal,
    Initiate,
    L2Marking,
    Mode,
    Responder,
    Tunnel,
    TunnelKind,
)
from cryptomap_backend.state import Platform

__all__ = ["Capabilities", "Complaint", "DscpPolicy", "Feature"]


class DscpPolicy(StrEnum):
    """How the outer DSCP comes about. Only ``copy-or-fixed`` is the seed's rule."""

    COPY = "copy"
    FIXED = "fixed"
    COPY_OR_FIXED = "copy-or-fixed"


class Feature(StrEnum):
    """What a backend may lack beside algorithms; the value is the name in messages and in the capability table."""

    AH = "ah"
    ESN = "esn"
    NATT = "nat-traversal"
    RESPONDER = "responder"
    CERTIFICATE = "certificate-authentication"
    EAP = "eap-authentication"
    PSK = "pre-shared-key-authentication"
    CRL = "certificate-revocation-lists"
    IKE_DSCP = "ike-dscp"
    IKE_TIMERS = "ike-retransmission-timers"
    SETUP_TIMER = "ike-setup-timer"
    SAME_PARAMETERS = "rekey-disallow-param-change"
    DPD = "dead-peer-detection"
    DPD_TIMERS = "dead-peer-detection-timers"
    LIFETIME_VOLUME = "lifetime-kilobytes"
    LIFETIME_SEQUENCE = "lifetime-sequence-number"
    IGNORE_REKEY = "ignore-rekeying-requests"
    CHILD_LIMIT = "maximum-child-sa"
    ADDRESS_RANGES = "payload-address-ranges"
    INNER_MTU = "payload-mtu"
    PREFERENCE = "match-preference"
    MIXED_FAMILY = "inner-family-differs"
    DOT1P = "802.1p-pcp"
    DEI = "802.1p-dei"
    MPLS_TC = "mpls-tc"
    ECN = "ecn-congestion-experienced"
    """A congestion mark of the inner packet is copied outside (RFC 6040); no tunnel asks for it."""
    SET_DF = "df-bit-set"
    CLEAR_DF = "df-bit-clear"
    INITIATE_TRAFFIC = "initiate-by-traffic"
    INITIATE_BIND = "initiate-at-bind"

    __hash__ = str.__hash__  # that of an enumeration is written in Python, and each tunnel's features are hashed


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing a backend cannot do. ``item`` names the object inside the tunnel (a transform set), ``fatal`` False
    marks a declared limit that is only warned about."""

    feature: str
    message: str
    item: str | None = None
    fatal: bool = True


@dataclass(frozen=True, slots=True)
class Capabilities:
    """A backend's abilities. ``tolerated`` features are missing but harmless: asked for, they only make a warning."""

    backend: str
    kinds: frozenset[TunnelKind] = frozenset(TunnelKind)
    modes: frozenset[Mode] = frozenset(Mode)
    ike_encryption: frozenset[str] = frozenset({"des-cbc", "3des-cbc", "aes-cbc-128", "aes-cbc-256"})
    ike_integrity: frozenset[str] = frozenset(INTEGRITY) - {"null"}
    ike_prf: frozenset[str] = frozenset(PRF)
    dh_groups: frozenset[int] = frozenset(DH_GROUPS)
    esp_encryption: frozenset[str] = frozenset(ENCRYPTION)
    esp_integrity: frozenset[str] = frozenset(INTEGRITY)
    ah_integrity: frozenset[str] = frozenset(INTEGRITY) - {"null"}
    manual_encryption: frozenset[str] = frozenset(name for name, cipher in ENCRYPTION.items() if not cipher.aead)
    features: frozenset[Feature] = frozenset(Feature)
    tolerated: frozenset[Feature] = frozenset()
    dscp_policy: DscpPolicy = DscpPolicy.COPY_OR_FIXED
    limits: Mapping[str, int] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    """Feature or algorithm -> one sentence on a declared limit, for the generated table of backends."""

    def complaints(self, tunnel: Tunnel) -> Iterator[Complaint]:
        """Everything of that tunnel the backend cannot do, or its type alone if that is what it lacks; fatal ones make
        prepare refuse with ``Unsupported``."""
        if tunnel.kind not in self.kinds:
            yield self._lacks(f"map type {tunnel.kind}", tunnel.kind)
            return
        needed = _features_of(tunnel.ike, tunnel.children, tunnel.family, tunnel.df_bit, tunnel.natt)
        needed.add(Feature.INITIATE_BIND if tunnel.initiate is Initiate.BIND else Feature.INITIATE_TRAFFIC)
        if tunnel.preference < NO_PREFERENCE:
            needed.add(Feature.PREFERENCE)
        yield from self._missing(needed)
        yield from self._algorithms(tunnel.ike, tunnel.children, manual=tunnel.kind is TunnelKind.MANUAL)

    def responder_complaints(self, responder: Responder) -> Iterator[Complaint]:
        """The same for a responder."""
        if Feature.RESPONDER not in self.features:
            yield self._lacks(Feature.RESPONDER, Feature.RESPONDER)
            return
        family = responder.local.version
        needed = _features_of(responder.ike, responder.children, family, responder.df_bit, responder.natt)
        yield from self._missing(needed)
        yield from self._algorithms(responder.ike, responder.children, manual=False)

    def l2_complaints(self, marking: L2Marking) -> Iterator[Complaint]:
        """The same for the QoS maps: only what differs from the defaults is asked for."""
        if marking == L2Marking():
            return
        tables = (marking.system_default, *marking.tables.values())
        needed = {Feature.DOT1P, Feature.MPLS_TC}
        if any(dot1p & 1 for table in tables for dot1p, _ in table.cells):
            needed.add(Feature.DEI)
        yield from self._missing(needed)

    def _algorithms(self, ike: Ike | None, children: Iterable[Child], manual: bool) -> Iterator[Complaint]:
        for proposal in ike.proposals if ike else ():
            if not self._does_ike(proposal):
                yield from self._absent(proposal.name, "IKE encryption", proposal.encryption, self.ike_encryption)
                yield from self._absent(proposal.name, "IKE integrity", proposal.integrity, self.ike_integrity)
                yield from self._absent(proposal.name, "PRF", proposal.prf, self.ike_prf)
                yield from self._absent(proposal.name, "DH group", proposal.dh_group, self.dh_groups)
        for child in children:
            for esp in child.proposals:
                if manual or not self._does_esp(esp):
                    yield from self._esp(esp, manual)

    def _does_ike(self, proposal: IkeProposal) -> bool:
        """Whether there is nothing to complain about; nearly always so, and quicker than to look for what."""
        return (
            proposal.encryption in self.ike_encryption
            and proposal.integrity in self.ike_integrity
            and proposal.prf in self.ike_prf
            and proposal.dh_group in self.dh_groups
        )

    def _does_esp(self, proposal: EspProposal) -> bool:
        """The same for negotiated SAs."""
        return (
            proposal.protocol == "esp"
            and proposal.mode in self.modes
            and (proposal.dh_group is None or proposal.dh_group in self.dh_groups)
            and proposal.encryption in self.esp_encryption
            and proposal.integrity in self.esp_integrity
        )

    def _esp(self, proposal: EspProposal, manual: bool) -> Iterator[Complaint]:
        if proposal.mode not in self.modes:
            yield self._lacks(f"{proposal.mode} mode", proposal.mode, proposal.name)
        if proposal.dh_group is not None:
            yield from self._absent(proposal.name, "DH group", proposal.dh_group, self.dh_groups)
        if proposal.protocol == "ah":
            yield from self._absent(proposal.name, "AH integrity", proposal.integrity, self.ah_integrity)
            return
        ciphers = self.esp_encryption & self.manual_encryption if manual else self.esp_encryption
        what = "ESP encryption with manual keys" if manual else "ESP encryption"
        yield from self._absent(proposal.name, what, proposal.encryption, ciphers)
        yield from self._absent(proposal.name, "ESP integrity", proposal.integrity, self.esp_integrity)

    def _absent(
        self, item: str, what: str, name: str | int, have: frozenset[str] | frozenset[int]
    ) -> Iterator[Complaint]:
        if name not in have:
            yield self._lacks(f"{what} {name}", str(name), item)

    def _missing(self, needed: Iterable[Feature]) -> Iterator[Complaint]:
        for feature in sorted(frozenset(needed) - self.features):
            yield self._lacks(str(feature), feature, fatal=feature not in self.tolerated)

    def _lacks(self, what: str, feature: str, item: str | None = None, fatal: bool = True) -> Complaint:
        note = self.notes.get(feature)
        text = f"backend {self.backend} cannot do {what}" + (f": {note}" if note else "")
        return Complaint(str(feature), text, item, fatal)


_METHODS = {
    "pre-shared-key": Feature.PSK,
    "certificate": Feature.CERTIFICATE,
    "eap": Feature.EAP,
}


def _features_of(ike: Ike | None, children: Iterable[Child], family: int, df_bit: DfBit, natt: bool) -> set[Feature]:
    needed = _ike_features(ike) if ike else set()
    if natt:
        needed.add(Feature.NATT)
    if df_bit is not DfBit.COPY:
        needed.add(Feature.SET_DF if df_bit is DfBit.SET else Feature.CLEAR_DF)
    for child in children:
        needed.update(_payload_features(child))
        if child.family != family:
            needed.add(Feature.MIXED_FAMILY)
        for proposal in child.proposals:
            if proposal.esn:
                needed.add(Feature.ESN)
            if proposal.protocol == "ah":
                needed.add(Feature.AH)
    return needed


def _payload_features(child: Child) -> Iterator[Feature]:
    """What the settings of a payload ask for where they are not the defaults."""
    if child.lifetime_kilobytes is not None:
        yield Feature.LIFETIME_VOLUME
    if child.lifetime_sequence != SEQUENCE_LIFETIME:
        yield Feature.LIFETIME_SEQUENCE
    if child.ignore_rekey:
        yield Feature.IGNORE_REKEY
    if child.max_child_sa != _DEFAULT_CHILD.max_child_sa:
        yield Feature.CHILD_LIMIT
    if child.tsi is not None or child.tsr is not None:
        yield Feature.ADDRESS_RANGES
    if child.mtu != _DEFAULT_CHILD.mtu:
        yield Feature.INNER_MTU


def _ike_features(ike: Ike) -> set[Feature]:
    needed = {_METHODS[side.method] for side in (ike.local, ike.remote) if side.method in _METHODS}
    if ike.crls:
        needed.add(Feature.CRL)
    if ike.disallow_param_change:
        needed.add(Feature.SAME_PARAMETERS)
    if ike.max_child_sa not in _USUAL_CHILD_LIMITS:
        needed.add(Feature.CHILD_LIMIT)
    if ike.dscp != 0:
        needed.add(Feature.IKE_DSCP)
    if (ike.max_retransmissions, ike.retransmission_timeout_ms, ike.exponential) != _DEFAULT_TIMERS:
        needed.add(Feature.IKE_TIMERS)
    if ike.setup_timer is not None:
        needed.add(Feature.SETUP_TIMER)
    if ike.dpd is not None:
        needed.add(Feature.DPD)
        if (ike.dpd.timeout, ike.dpd.retries) != (_DEFAULT_DPD.timeout, _DEFAULT_DPD.retries):
            needed.add(Feature.DPD_TIMERS)
    return needed


_DEFAULT_IKE = Ike(())
_DEFAULT_CHILD = Child("", ())
_DEFAULT_DPD = DeadPeerDetection()
_USUAL_CHILD_LIMITS = (None, 2)
"""Of an IKE SA: a map has none, a template's default is 2."""
_DEFAULT_TIMERS = (_DEFAULT_IKE.max_retransmissions, _DEFAULT_IKE.retransmission_timeout_ms, _DEFAULT_IKE.exponential)
