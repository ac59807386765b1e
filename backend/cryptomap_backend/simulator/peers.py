"""How the simulated peers behave, and what negotiating with them comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from cryptomap_backend.intent import Address, Child, EspProposal, Ike
from cryptomap_backend.load import SettingsFault

__all__ = ["Behaviour", "NegotiationFault", "Peer", "choose", "peers_of", "setup_budget"]


class Behaviour(StrEnum):
    """ANSWERS takes the first proposal it accepts. DEAD never answers, REFUSES takes no proposal, BAD_PSK holds
    another pre-shared key."""

    ANSWERS = "answers"
    DEAD = "dead"
    REFUSES = "refuses"
    BAD_PSK = "bad-psk"


@dataclass(frozen=True, slots=True)
class Peer:
    """A peer; ``accepts`` names the ipsec transform sets it takes, ``None`` = all."""

    behaviour: Behaviour = Behaviour.ANSWERS
    accepts: tuple[str, ...] | None = None


class NegotiationFault(Exception):
    """The peer said no; the text is for the operator and names the IKEv2 notification (RFC 7296 section 3.10.1)."""


def choose(peer: Peer, child: Child) -> EspProposal:
    """The proposal an answering peer takes of a payload. Raises NegotiationFault."""
    if peer.behaviour is Behaviour.BAD_PSK:
        raise NegotiationFault("AUTHENTICATION_FAILED: the pre-shared keys of the two ends differ")
    for proposal in child.proposals if peer.behaviour is Behaviour.ANSWERS else ():
        if peer.accepts is None or proposal.name in peer.accepts:
            return proposal
    raise NegotiationFault(
        f"NO_PROPOSAL_CHOSEN: the peer accepts no transform set of payload {child.name}; compare both ends"
    )


def setup_budget(ike: Ike) -> float:
    """Seconds until an IKE SA that gets no answer is given up: all retransmissions, or the setup timer if shorter."""
    wait = ike.retransmission_timeout_ms / 1000
    tries = ike.max_retransmissions + 1
    total = wait * (2**tries - 1) if ike.exponential else wait * tries
    return total if ike.setup_timer is None else min(total, float(ike.setup_timer))


def peers_of(settings: object) -> dict[Address, Peer]:
    """From settings ``{address: behaviour}`` or ``{address: {"behaviour": ..., "accepts": [...]}}``. Raises
    SettingsFault."""
    if not isinstance(settings, Mapping):
        raise SettingsFault("peers must map addresses to behaviours")
    try:
        return {ip_address(str(address)): peer_of(value) for address, value in settings.items()}
    except (ValueError, TypeError) as fault:
        raise SettingsFault(f"peers: {fault}") from fault


def peer_of(value: object) -> Peer:
    """One peer from a behaviour's name or a table. Raises ValueError."""
    if not isinstance(value, Mapping):
        return Peer(Behaviour(str(value)))
    unknown = value.keys() - {"behaviour", "accepts"}
    if unknown:
        raise ValueError(f"unknown setting {', '.join(sorted(map(str, unknown)))}")
    accepts = value.get("accepts")
    names = tuple(str(name) for name in accepts) if isinstance(accepts, (list, tuple)) else None
    return Peer(Behaviour(str(value.get("behaviour", Behaviour.ANSWERS))), names)
